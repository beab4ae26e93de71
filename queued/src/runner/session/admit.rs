//! Who may come into a session, and what follows: its own client again, a person who takes it over from
//! another place, or somebody who looks.

use wire::identity::Verified;
use wire::session::{Hello, HelloKind, Stream, TAKEN_OVER};

use super::{Phase, Session, now_unix};
use crate::leader::message::{Attachment, ToLeader};
use crate::runner::entrance::Entered;
use crate::runner::farewell;

/// What becomes of a connection that has said what it wants.
enum Verdict {
    /// The session's client.
    Client,
    /// A person, from this host, takes the session over.
    TakeOver(String),
    /// Somebody looks at the terminal.
    View,
    /// It hears why not.
    Refuse(String),
    /// It has not shown to be anybody.
    Ignore,
}

/// Clients that once had a session and lost it to others, as it knows them.
#[derive(Default)]
pub(super) struct Former {
    keys: Vec<[u8; 32]>,
    /// The host of whoever has it now; not known to a runner that was not there then.
    by: Option<String>,
}

impl Former {
    /// What a new runner knows: the session's first client has lost it.
    pub(super) fn first(key: [u8; 32]) -> Self {
        Self { keys: vec![key], by: None }
    }

    /// What they are told.
    fn reason(&self) -> String {
        match &self.by {
            Some(host) => format!("{TAKEN_OVER} from {host}"),
            None => TAKEN_OVER.to_owned(),
        }
    }

    fn add(&mut self, key: [u8; 32]) {
        if self.keys.len() == MOST_FORMER {
            self.keys.remove(0);
        }
        self.keys.push(key);
    }
}

impl Session {
    /// Lets in whoever may.
    pub(super) fn admit(&mut self, entered: Entered) {
        match self.verdict(&entered.hello, entered.whose.as_ref()) {
            Verdict::Client => self.attach(entered),
            Verdict::TakeOver(from) => {
                self.hand_to(&from, entered.whose.as_ref());
                self.attach(entered);
            }
            Verdict::View => self.streams.view(&self.name, entered.link, &entered.hello),
            Verdict::Refuse(why) => farewell::refuse(entered.link, &why),
            Verdict::Ignore => {}
        }
    }

    fn verdict(&self, hello: &Hello, whose: Option<&Verified>) -> Verdict {
        match hello.kind {
            HelloKind::Start | HelloKind::Resume => {
                // On this host the kernel has said that it is the user; which of the user's clients, the
                // generation says.
                let was_replaced = match whose {
                    None => hello.generation < self.generation,
                    Some(verified) => {
                        verified.public_key != self.key && self.former.keys.contains(&verified.public_key)
                    }
                };
                if was_replaced {
                    Verdict::Refuse(self.former.reason())
                } else if whose.is_none_or(|verified| verified.public_key == self.key) {
                    Verdict::Client
                } else {
                    Verdict::Ignore
                }
            }
            HelloKind::Attach | HelloKind::View => match self.comes_from(whose) {
                Err(why) => Verdict::Refuse(why),
                Ok(_) if matches!(self.phase, Phase::Reserved { .. }) => {
                    Verdict::Refuse("the job has not started yet".to_owned())
                }
                Ok(_) if !self.about.has_terminal() => {
                    Verdict::Refuse("its job has no terminal; only its own client can go on with it".to_owned())
                }
                Ok(_) if hello.kind == HelloKind::View => Verdict::View,
                Ok(from) => Verdict::TakeOver(from),
            },
        }
    }

    /// The host where another client of the same user is; else why it is not believed.
    fn comes_from(&self, whose: Option<&Verified>) -> Result<String, String> {
        let Some(verified) = whose else {
            return Ok(self.shared.host_name());
        };
        verified.at(now_unix()).map_err(|error| format!("the certificate is refused: {error}"))?;
        // In personal mode whoever holds the authority is the owner, whatever the name.
        if self.shared.options.voucher.is_some() && verified.identity.user != self.about.user {
            return Err(format!("it is a session of {}", self.about.user));
        }
        Ok(verified.identity.host.clone())
    }

    /// From now on the session is that client's.
    fn hand_to(&mut self, from: &str, whose: Option<&Verified>) {
        self.former.add(self.key);
        self.former.by = Some(from.to_owned());
        self.generation += 1;
        // No key is all zeros: a client on this host is known by its uid.
        self.key = whose.map_or([0; 32], |verified| verified.public_key);
        let attachment = Attachment { key: self.key, generation: self.generation };
        self.leader.tell(&ToLeader::Attached(attachment), &[]);
        if let Some(old) = self.client.take() {
            farewell::refuse(old, &self.former.reason());
        }
    }

    /// This connection is the session's from now on.
    fn attach(&mut self, entered: Entered) {
        let Entered { link, hello, early, handed, whose } = entered;
        let from = match whose {
            Some(verified) => verified.identity.host,
            None => self.shared.host_name(),
        };
        if !handed.is_empty() {
            self.handed = handed;
        }
        self.endpoint.connect(&self.name, hello.kind, self.generation);
        if self.endpoint.accept(&hello).is_err() {
            // It has offsets that cannot be; its next words may make more sense.
            self.endpoint.lost();
            return;
        }
        self.client.replace(link, early);
        self.departure.cancel();
        self.shared.attached(&self.name, &from);
        match hello.kind {
            HelloKind::Attach if matches!(self.phase, Phase::Running) => {
                // It says how large its terminal is, and asks for all of the screen.
                self.endpoint.replace(Stream::Tty, b"");
                self.streams.display.new_eyes();
            }
            HelloKind::Attach => {
                let screen = self.streams.display.repaint().unwrap_or_default();
                self.endpoint.replace(Stream::Tty, &screen);
            }
            _ => {
                if let Some(repaint) = self.streams.display.greeted(&self.endpoint) {
                    self.endpoint.replace(Stream::Tty, &repaint);
                }
            }
        }
    }
}

/// Keys that are remembered; nobody is taken over from more often in a session's life.
const MOST_FORMER: usize = 64;
