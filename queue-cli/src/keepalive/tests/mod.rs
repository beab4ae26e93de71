use super::*;

/// A user with a directory for everything, taken away at the end.
struct User {
    directory: PathBuf,
    surroundings: Surroundings,
}

impl User {
    /// One who has these programs.
    fn with(name: &str, programs: &[&str]) -> Self {
        let directory = env::temp_dir().join(format!("queue-keepalive-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory in temp");
        let stands_for = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/keepalive/tests");
        for program in programs {
            // A link: a program that was just written may still be open in a child of another test.
            std::os::unix::fs::symlink(stands_for.join(program), directory.join(program)).expect("a fresh directory");
        }
        let runtime = directory.join("runtime");
        fs::create_dir_all(runtime.join("systemd")).expect("ours");
        let surroundings = Surroundings {
            queued: "/usr/bin/queued".into(),
            path: directory.clone().into(),
            configuration: directory.join("config"),
            runtime: programs.contains(&"systemctl").then_some(runtime),
            variables: Vec::new(),
            linger: directory.join("linger"),
        };
        Self { directory, surroundings }
    }

    fn does(&self, action: Action) -> Result<String, Failure> {
        carry_out(action, &self.surroundings)
    }

    fn file(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.directory.join(name)).ok()
    }

    fn text(&self, name: &str) -> String {
        self.file(name).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    fn write(&self, name: &str, text: &[u8]) {
        fs::write(self.directory.join(name), text).expect("ours");
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

const LINE: &[u8] = b"*/10 * * * * /usr/bin/queued --detach # queue keepalive\n";

#[test]
fn a_user_without_a_crontab_gets_one_with_one_line() {
    let user = User::with("none", &["crontab"]);
    assert!(user.does(Action::Install).is_ok_and(|said| said.starts_with("your crontab has one line more")));
    assert_eq!(user.file("table").as_deref(), Some(LINE));
    assert!(user.does(Action::Install).is_ok_and(|said| said.contains("has the line already")));
    assert_eq!(user.text("writes"), "written\n", "what is there already is not written again");
}

#[test]
fn foreign_lines_survive_installation_and_removal_byte_for_byte() {
    let user = User::with("foreign", &["crontab"]);
    let foreign = b"SHELL=/bin/fish\r\n0 1 * * * caf\xe9 \\% x\n\n0 2 * * * no end";
    user.write("table", foreign);
    assert!(user.does(Action::Install).is_ok());
    assert_eq!(user.file("table"), Some([LINE, foreign].concat()));
    let said = user.does(Action::Remove);
    assert_eq!(said, Ok("the line in your crontab is removed\na queued that runs goes on\n".to_owned()));
    assert_eq!(user.file("table").as_deref(), Some(&foreign[..]));
    assert_eq!(user.does(Action::Remove), Ok("there was nothing to remove\n".to_owned()));
}

#[test]
fn a_crontab_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let user = User::with("refused", &["crontab"]);
    user.write("table", b"precious\n");
    user.write("refuse", b"");
    let failure = user.does(Action::Install).expect_err("crontab refuses");
    assert!(failure.message.contains("You (alice) are not allowed to use this program"), "{failure}");
    assert!(user.does(Action::Remove).is_err());
    assert_eq!(user.file("table").as_deref(), Some(&b"precious\n"[..]));
}

#[test]
fn without_cron_and_without_a_service_manager_the_sentence_says_what_to_do() {
    let user = User::with("nothing", &[]);
    let failure = user.does(Action::Install).expect_err("nothing is there");
    assert!(failure.message.contains("install cron, or have /usr/bin/queued --detach started"), "{failure}");
    assert_eq!(user.does(Action::Print).map(String::into_bytes), Ok(LINE.to_vec()));
    assert_eq!(user.does(Action::Remove), Ok("there was nothing to remove\n".to_owned()));
}

#[test]
fn a_runtime_directory_of_the_login_is_named_as_the_condition_it_is() {
    let mut user = User::with("login", &["crontab"]);
    user.surroundings.variables = vec![("XDG_RUNTIME_DIR", "/run/user/7".into())];
    let said = user.does(Action::Install).expect("crontab is there");
    assert!(said.contains("only while there is /run/user/7") && said.contains("QUEUE_RUNTIME"), "{said}");
    assert!(
        user.text("table").starts_with("*/10 * * * * test -d /run/user/7 && XDG_RUNTIME_DIR=/run/user/7 /usr/bin/")
    );
}

#[test]
fn a_service_manager_gets_a_unit_and_cron_is_left_alone() {
    let user = User::with("unit", &["crontab", "systemctl"]);
    let said = user.does(Action::Install).expect("both are there");
    assert!(said.contains("config/systemd/user/queued.service is enabled") && said.contains("enable-linger"), "{said}");
    assert_eq!(user.text("asked"), "--user daemon-reload\n--user enable --now queued.service\n");
    assert_eq!(user.file("table"), None);
    let unit = user.text("config/systemd/user/queued.service");
    assert_eq!(user.does(Action::Print), Ok(unit));
    user.write("linger", b"");
    assert!(user.does(Action::Install).is_ok_and(|said| !said.contains("enable-linger")));

    user.write("asked", b"");
    assert!(user.does(Action::Remove).is_ok_and(|said| said.contains("queued.service is removed")));
    assert_eq!(user.text("asked"), "--user disable queued.service\n--user daemon-reload\n");
    assert_eq!(user.file("config/systemd/user/queued.service"), None);
}

#[test]
fn a_unit_of_somebody_else_is_left_alone() {
    let user = User::with("theirs", &["systemctl"]);
    fs::create_dir_all(user.surroundings.unit().parent().expect("in a directory")).expect("ours");
    user.write("config/systemd/user/queued.service", b"[Service]\n");
    for action in [Action::Install, Action::Remove] {
        let failure = user.does(action).expect_err("it is not ours");
        assert!(failure.message.contains("was not written by queue keepalive"), "{failure}");
    }
    assert_eq!(user.text("config/systemd/user/queued.service"), "[Service]\n");
    assert_eq!(user.file("asked"), None);
}

#[test]
fn a_manager_that_refuses_leaves_no_unit_behind() {
    let user = User::with("bus", &["systemctl"]);
    user.write("refuse", b"");
    let failure = user.does(Action::Install).expect_err("it refuses");
    assert!(failure.message.contains("--user daemon-reload: Failed to connect to bus: No medium found"), "{failure}");
    assert_eq!(user.file("config/systemd/user/queued.service"), None);
}
