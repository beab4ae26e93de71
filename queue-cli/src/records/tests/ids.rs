//! Which jobs are meant.

use wire::api::JobName;

use crate::records::read_ids;

fn ids(text: &str) -> Result<Vec<String>, String> {
    let shown = |name: JobName| match name.home {
        Some(home) => format!("{}@{home}", name.id),
        None => name.id.to_string(),
    };
    let names = read_ids("list", text.as_bytes()).map_err(|failure| failure.message)?;
    Ok(names.jobs.into_iter().map(shown).collect())
}

#[test]
fn ids_are_taken_from_whatever_lists_jobs() {
    let both = || Ok(vec!["17".to_owned(), "18@redfish".to_owned()]);
    for text in [
        "17\n18@redfish\n",
        "# mine\n\n17\r\n18@redfish",
        "17 18@redfish\n",
        "  ID  STATE    QUEUE  COMMAND\n  17  running  wait   make\n  18@redfish  held  wait  7 8\n",
        "jid=17\nid=18@redfish\n",
        " jid: 17\n id: 18@redfish\n",
        "[17, \"18@redfish\"]",
        "{\"id\": 17, \"home\": null, \"new\": {}}\n{\"id\": 18, \"home\": \"redfish\"}\n",
        "- 17\n- 18@redfish\n",
        "---\n- id: 17\n- id: 18\n  home: redfish\n",
        "---\n-\n jid: 17\n-\n jid: 18@redfish\n command: a: 'b\n",
    ] {
        assert_eq!(ids(text), both(), "{text}");
    }
    assert_eq!(ids(""), Ok(Vec::new()));
}

#[test]
fn sessions_in_a_history_are_counted_and_left_out() {
    for text in [
        "   ID  STATE     QUEUE  COMMAND\n   17  finished  wait   make\n  s18  finished  now    vim\n  s19@red  dead\n",
        "17\ns18\ns19@red\n",
        "[{\"id\":17,\"kind\":\"job\"},{\"id\":18,\"kind\":\"session\",\"home\":\"red\"},\"s19\"]",
        "---\n- id: 17\n  kind: job\n- kind: session\n  id: 18\n- s19\n",
    ] {
        let named = read_ids("list", text.as_bytes()).expect(text);
        assert_eq!((named.jobs, named.sessions), (vec![JobName { id: 17, home: None }], 2), "{text}");
    }
    assert!(ids("sleep 3").is_err() && ids("s").is_err(), "what only begins so is none");
}

#[test]
fn what_names_no_job_is_refused_where_it_stands() {
    for (text, message) in [
        (
            "17\nmake all\n",
            "list:2:1: \"make all\" does not begin with a job such as 17 or 17@redfish.  Nothing was done.",
        ),
        ("+17", "list:1:1: \"+17\" does not begin with a job such as 17 or 17@redfish.  Nothing was done."),
        ("17-20", "list:1:1: \"17-20\" does not begin with a job such as 17 or 17@redfish.  Nothing was done."),
        ("17@", "list:1:1: \"17@\" does not begin with a job such as 17 or 17@redfish.  Nothing was done."),
        (
            "17 18 make",
            "list:1:1: after several jobs, \"make\" is none: 17 or 17@redfish is expected.  Nothing was done.",
        ),
        ("{\"name\": 17}", "list:1:1: this has no \"id\" and so names no job.  Nothing was done."),
        ("{\"id\": 1, \"jid\": 2}", "list:1:11: an id is said twice.  Nothing was done."),
        ("- id: -3", "list:1:7: id: -3 stands where a job such as 17 or 17@redfish is expected.  Nothing was done."),
        ("- id: 3\n  home: ''", "list:2:9: \"\" is not the name of a host.  Nothing was done."),
    ] {
        assert_eq!(ids(text), Err(message.to_owned()), "{text}");
    }
}
