//! Bytes that nobody meant, and texts that somebody might.

use proptest::prelude::*;
use wire::ByteString;
use wire::batch::JobRow;

use super::listings::row;
use super::{job, shell};
use crate::records::{Command, Format, read, read_ids};

proptest! {
    #[test]
    fn bytes_that_nobody_meant_never_panic(start in 0..8usize, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let start: &[u8] = [&b""[..], b"{", b"[{\"", b"---\n", b"- ", b"-\n ", b"---\n-\n jid: ", b"17 "][start];
        let bytes = [start, &bytes].concat();
        for format in [None, Some(Format::Lines), Some(Format::Yaml), Some(Format::Json)] {
            _ = read("jobs", &bytes, format);
        }
        _ = read_ids("jobs", &bytes);
    }

    #[test]
    fn text_that_looks_like_something_never_panics(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)
    ) {
        let text = pieces.concat();
        for format in [None, Some(Format::Lines), Some(Format::Yaml), Some(Format::Json)] {
            _ = read("jobs", text.as_bytes(), format);
        }
        _ = read_ids("jobs", text.as_bytes());
    }

    #[test]
    fn any_line_of_rq_is_a_command_again(command in "[ -~äö]{0,40}[a-z]", tag in "[a-z: #'\"]{0,9}[a-z]") {
        let text = format!("---\n-\n jid: 1\n tag: {tag}\n command: {command}\n");
        let record = job(&text);
        prop_assert_eq!(&record.command, &shell(&command));
        prop_assert_eq!(&record.tags, &Some(vec![tag]));
    }

    #[test]
    fn any_job_survives_both_of_our_formats(
        words in prop::collection::vec("\\PC{1,12}", 1..4),
        priority in any::<i32>()
    ) {
        let argv = words.iter().map(|word| ByteString::from(word.as_str())).collect::<Vec<_>>();
        let row = JobRow { priority, argv: argv.clone(), ..row() };
        let json = serde_json::to_string(&row).expect("JSON");
        let yaml = serde_saphyr::to_string(&vec![row]).expect("YAML");
        for text in [json, yaml] {
            let record = job(&text);
            prop_assert_eq!(&record.command, &Command::Argv(argv.clone()));
            prop_assert_eq!(record.priority, Some(priority));
        }
    }
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "\"",
    "'",
    "\n",
    " ",
    "  ",
    "- ",
    "-\n",
    "---\n",
    "...\n",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "|\n",
    ">-\n",
    "!!binary ",
    "!!str ",
    "%YAML 1.2\n",
    "~",
    "null",
    "true",
    "17",
    "1.5",
    "-",
    "id",
    "jid",
    "command",
    "argv",
    "priority",
    "tags",
    "environment",
    "mail",
    "variants",
    "x",
    "ö",
    "\t",
    "\r\n",
    "\\",
    "\0",
    "? ",
];
