//! A mail server that does what a test wants of it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// What the server does with one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Takes the letter.
    Accepts,
    /// Takes the letter and never answers the farewell.
    AcceptsAndFallsSilent,
    /// Says 451 when the letter is there.
    IsBusy,
    /// Says 550 for the recipient.
    KnowsNobody,
    /// Says nothing more when the letter is there.
    HangsAfterTheDot,
    /// Closes the connection when the letter is about to come.
    ClosesInTheMiddle,
    /// Wants to know who it is, and does not believe it.
    BelievesNoPassword,
    /// Says nothing at all.
    IsSilent,
    /// Talks to nobody who has not logged in.
    WantsLogin,
}

/// What was said up to the dot.
#[derive(Debug)]
pub struct Received {
    /// The address after `MAIL FROM`.
    pub from: String,
    /// The address after `RCPT TO`.
    pub to: String,
    /// The message.
    pub message: String,
}

/// A server on a port of its own.
pub struct Server {
    /// Where it listens.
    pub port: u16,
    received: mpsc::Receiver<Received>,
}

impl Server {
    /// Serves one connection after the other in these manners, and then nobody.
    pub fn start<const N: usize>(manners: [Manner; N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let port = listener.local_addr().expect("bound").port();
        let (sender, received) = mpsc::channel();
        std::thread::spawn(move || {
            for manner in manners {
                let Ok((stream, _)) = listener.accept() else {
                    return;
                };
                // The client may close whenever it likes.
                let _ = converse(&stream, manner, &sender);
            }
        });
        Self { port, received }
    }

    /// The next message that came up to its dot.
    pub fn received(&self) -> Received {
        self.received.recv_timeout(Duration::from_secs(20)).expect("a message")
    }

    /// Whether no message has come, now that a delivery is over.
    pub fn has_nothing(&self) -> bool {
        self.received.try_recv().is_err()
    }
}

fn converse(stream: &TcpStream, manner: Manner, sender: &mpsc::Sender<Received>) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let mut say = |words: &str| writer.write_all(format!("{words}\r\n").as_bytes());
    let (mut from, mut to) = (String::new(), String::new());
    if manner == Manner::IsSilent {
        return listen_only(&mut reader);
    }
    say("220 test ESMTP")?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let address = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        match line.split([' ', ':', '\r']).next().unwrap_or_default() {
            "EHLO" if manner == Manner::BelievesNoPassword => say("250-test\r\n250 AUTH PLAIN")?,
            "EHLO" => say("250 test")?,
            "AUTH" => say("535 5.7.8 wrong password")?,
            "MAIL" if manner == Manner::WantsLogin => say("530 5.7.0 who are you?")?,
            "MAIL" => {
                from = address();
                say("250 ok")?;
            }
            "RCPT" if manner == Manner::KnowsNobody => say("550 5.1.1 no such user here")?,
            "RCPT" => {
                to = address();
                say("250 ok")?;
            }
            "DATA" if manner == Manner::ClosesInTheMiddle => return Ok(()),
            "DATA" => {
                say("354 go on")?;
                let message = until_dot(&mut reader)?;
                let _ = sender.send(Received { from: from.clone(), to: to.clone(), message });
                match manner {
                    Manner::IsBusy => say("451 4.3.2 come back later")?,
                    Manner::HangsAfterTheDot => return listen_only(&mut reader),
                    _ => say("250 taken")?,
                }
            }
            "QUIT" if manner == Manner::AcceptsAndFallsSilent => return listen_only(&mut reader),
            "QUIT" => return say("221 bye"),
            _ => say("500 what?")?,
        }
    }
}

fn until_dot(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut message = String::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line == ".\r\n" || line.is_empty() {
            return Ok(message);
        }
        message.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

/// Until the client has had enough.
fn listen_only(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let length = reader.fill_buf()?.len();
        if length == 0 {
            return Ok(());
        }
        reader.consume(length);
    }
}
