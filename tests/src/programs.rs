//! The programs under test: those of the same build as the test.

use std::path::{Path, PathBuf};

/// The directory with `queue` and `queued`.
///
/// # Panics
/// When they are not there: a test without its programs has failed.
pub fn directory() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let directory = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps").to_owned();
    for program in ["queue", "queued"] {
        assert!(directory.join(program).is_file(), "{program} is not built: cargo build --workspace");
    }
    directory
}

/// The client.
pub fn queue() -> PathBuf {
    directory().join("queue")
}

/// The root of the source tree.
pub fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the tree")
}
