//! What was understood is said and understood again.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads JSON; what comes of it is the same when it was written and read once more.
pub fn both_ways<T: DeserializeOwned + Serialize>(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(json) else {
        return;
    };
    let again = serde_json::to_vec(&value).expect("what was read can be written");
    let value = serde_json::from_slice::<T>(&again).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&value).expect("again"), again);
}
