//! Programs that people live in, beyond vim, less and octave: the same keys lead to the same screens.

use queue_tests::terminal::{Picture, Terminal};

use crate::place::{Place, SIZE};
use crate::same::with_and_without_queue;

promises![
    emacs_looks_the_same_through_a_stop_and_a_resize,
    python_looks_the_same_through_a_stop_and_a_resize,
    tmux_looks_the_same_through_a_stop_and_a_resize,
    mc_looks_the_same_through_a_resize,
    htop_has_its_screen_and_gives_it_back,
];

/// The screen when it is as told, in a program that has it for itself.
fn full(terminal: &Terminal, what: &str, condition: impl Fn(&Picture) -> bool) -> Picture {
    terminal.wait_until(what, |picture| picture.is_alternate && condition(picture))
}

fn emacs_looks_the_same_through_a_stop_and_a_resize(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        place.write("text", "line 1\nline 2\nline 3\n");
        terminal.type_line("run emacs -nw -Q text");
        let mut seen = vec![full(terminal, "emacs", |picture| {
            picture.text.contains("(Fundamental)") && picture.text.contains("line 3") && picture.cursor == (1, 0)
        })];
        // Down, to the end of the line, and a word behind it.
        terminal.type_keys("\x0e\x05 more");
        seen.push(full(terminal, "what was typed", |picture| {
            picture.text.contains("line 2 more") && picture.cursor == (2, 11)
        }));
        terminal.type_keys("\x1a");
        terminal.wait_for_prompt();
        seen.push(terminal.picture());
        terminal.type_line("fg");
        full(terminal, "emacs again", |picture| picture.text.contains("line 2 more") && picture.cursor == (2, 11));
        terminal.resize((30, 100));
        terminal.type_keys("!");
        seen.push(full(terminal, "the larger screen", |picture| {
            picture.text.contains("line 2 more!")
                && picture.text.lines().nth(28).is_some_and(|line| line.contains("(Fund"))
        }));
        terminal.resize(SIZE);
        terminal.type_keys("\x18\x13");
        full(terminal, "it was written", |picture| picture.last_line().starts_with("Wrote "));
        terminal.type_keys("\x18\x03");
        assert_eq!(terminal.wait_for_prompt(), 0);
        assert_eq!(place.read("text"), "line 1\nline 2 more!\nline 3\n");
        // The path that is written about is another place's.
        seen.pop();
    });
}

fn python_looks_the_same_through_a_stop_and_a_resize(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        let prompt = || terminal.wait_until("its prompt", |picture| picture.last_line() == ">>>");
        terminal.type_line("run python3 -q");
        prompt();
        terminal.type_line("x = 'word' * 3");
        terminal.wait_until("its second prompt", |picture| picture.text.matches(">>>").count() == 2);
        terminal.type_keys("\x1a");
        terminal.wait_for_prompt();
        terminal.bring_forward();
        terminal.type_keys("\r");
        prompt();
        // Where it had the terminal an instant later, the key has left another trace.
        terminal.type_keys("\x0c");
        terminal.wait_until("a clear screen", |picture| picture.text.trim_end() == ">>>");
        terminal.resize((30, 60));
        terminal.type_line("print(len(x))");
        terminal.wait_for_line("12");
        prompt();
        terminal.type_line("import os; os.get_terminal_size()");
        terminal.wait_for_line("os.terminal_size(columns=60, lines=30)");
        prompt();
        terminal.type_keys("1/0\r");
        terminal.wait_for_line("ZeroDivisionError: division by zero");
        prompt();
        terminal.type_keys("\x04");
        assert_eq!(terminal.wait_for_prompt(), 0);
    });
}

fn tmux_looks_the_same_through_a_stop_and_a_resize(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        place.write("conf", "set -g status off\nset -g default-command \"PS1='> ' sh\"\n");
        terminal.type_line("run tmux -L here -f conf new-session");
        let mut seen = vec![full(terminal, "the shell in it", |picture| {
            picture.cursor == (0, 2) && picture.text.trim_end() == ">"
        })];
        terminal.type_line("echo inside");
        seen.push(full(terminal, "the echo", |picture| {
            picture.text.trim_end().ends_with("\ninside\n>") && picture.cursor == (2, 2)
        }));
        terminal.type_line("tmux suspend-client");
        terminal.wait_for_prompt();
        terminal.type_line("fg");
        full(terminal, "all of it again", |picture| picture.has_line("inside") && picture.cursor == (3, 2));
        terminal.resize((30, 100));
        terminal.type_line("until [ \"$(stty size)\" = '30 100' ]; do sleep 0.05; done; clear; echo large");
        seen.push(full(terminal, "the larger screen", |picture| {
            picture.cursor == (1, 2) && picture.text.trim_end() == "large\n>"
        }));
        terminal.resize(SIZE);
        terminal.type_line("exit");
        assert_eq!(terminal.wait_for_prompt(), 0);
        // It goes on before the shell has said so, or after that.
        terminal.run("clear");
        seen
    });
}

fn mc_looks_the_same_through_a_resize(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        std::fs::create_dir_all(place.path("config/mc")).expect("ours");
        place.write("config/mc/ini", "[Layout]\nmessage_visible=false\nfree_space=false\nkeybar_visible=true\n");
        terminal
            .run("mkdir files; touch -d 2020-01-02 files/one files/two files; touch -d 2020-01-01 .; cd files; clear");
        terminal.type_line("run mc -u -d");
        let has = |picture: &Picture| picture.text.matches("two").count() >= 2 && picture.last_line().contains("Quit");
        full(terminal, "both panels", has);
        // Down to the second file.
        terminal.type_keys("\x1bOB\x1bOB");
        full(terminal, "the second file", |picture| picture.text.matches("two").count() == 3);
        terminal.resize((30, 100));
        full(terminal, "the larger screen", |picture| has(picture) && picture.text.lines().count() == 30);
        terminal.resize(SIZE);
        full(terminal, "the screen of before", |picture| has(picture) && picture.text.lines().count() == 24);
        terminal.type_keys("\x1b0");
        assert_eq!(terminal.wait_for_prompt(), 0);
        terminal.run("cd ..; clear");
    });
}

fn htop_has_its_screen_and_gives_it_back(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        terminal.type_line("run htop");
        let keys = |picture: &Picture| picture.last_line().replace(' ', "");
        let first = full(terminal, "its keys", |picture| picture.last_line().contains("F10Quit"));
        terminal.resize((30, 100));
        let larger = full(terminal, "the larger screen", |picture| {
            picture.text.lines().count() == 30 && picture.last_line().contains("F10Quit")
        });
        terminal.type_keys("q");
        assert_eq!(terminal.wait_for_prompt(), 0);
        terminal.resize(SIZE);
        (keys(&first), keys(&larger))
    });
}
