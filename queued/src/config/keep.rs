//! `keep` in `queued.toml`: how long jobs that have ended stay in the spool.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

/// How long jobs that have ended stay in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// So long after their ends.
    For(Duration),
    /// Until somebody deletes them.
    Forever,
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "forever" {
            return Ok(Self::Forever);
        }
        match humantime::parse_duration(&text) {
            Ok(length) if length >= SHORTEST => Ok(Self::For(length)),
            Ok(_) => Err(Error::custom(format!(
                "keep = {text:?}: at least a minute is expected, in which somebody can still ask how a job ended"
            ))),
            Err(_) => Err(Error::custom(format!(
                "keep = {text:?}: a length of time such as \"30d\", or \"forever\", is expected"
            ))),
        }
    }
}

/// Less would take ends away from those who wait for them.
const SHORTEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(text: &str) -> Result<Option<Keep>, String> {
        let settings = toml::from_str::<crate::config::Settings>(text);
        settings.map(|settings| settings.keep).map_err(|error| error.to_string())
    }

    #[test]
    fn jobs_are_kept_for_ever_unless_something_else_is_said() {
        assert_eq!(keep(""), Ok(None));
        assert_eq!(keep("keep = \"forever\""), Ok(Some(Keep::Forever)));
        assert_eq!(keep("keep = \"30d\""), Ok(Some(Keep::For(Duration::from_secs(30 * 86_400)))));
        assert!(keep("keep = \"none\"").is_err_and(|why| why.contains("\"forever\", is expected")));
        assert!(keep("keep = \"0s\"").is_err_and(|why| why.contains("at least a minute")));
        assert!(keep("keep = 30").is_err());
    }
}
