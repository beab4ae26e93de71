//! A letter in the form of the internet's messages (RFC 5322), made by lettre.
//!
//! The letter's texts come from users. That none of them becomes a header of its own has two reasons: the
//! core writes single lines, and lettre encodes what is not printable.

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::config::mail::{MailSettings, mailbox};
use crate::core::reports::Letter;

/// Whose name letters bear, and where users are who have said no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    from: Option<Mailbox>,
    /// As configured.
    domain: Option<String>,
    /// Without it.
    host: String,
}

impl Addresses {
    /// As the settings say, else of this host.
    pub fn of(settings: &MailSettings, host: &str) -> Self {
        let host = if Address::new("user", host).is_ok() { host } else { "localhost" };
        Self {
            // It was checked when it was read.
            from: settings.from.as_deref().and_then(|from| mailbox(from).ok()),
            domain: settings.domain.clone(),
            host: host.to_owned(),
        }
    }

    fn of_user(&self, user: &str) -> Result<Address, String> {
        let domain = self.domain.as_deref().unwrap_or(&self.host);
        Address::new(user, domain).map_err(|_| format!("{user:?} cannot stand before the @ of an address"))
    }
}

/// A message and its way.
pub struct Posted {
    /// Who sends it, to whom.
    pub envelope: Envelope,
    /// Whether the sender was configured.
    pub sender_known: bool,
    /// The recipient where the local mail system knows the users: only the name, if nothing else was said.
    pub local_recipient: String,
    /// Headers and body, lines end in CRLF, all of it ASCII.
    pub message: Vec<u8>,
}

impl Posted {
    /// The message as local programs and files have it: lines end in LF.
    pub fn with_local_lines(&self) -> Vec<u8> {
        let mut local = Vec::with_capacity(self.message.len());
        for (at, byte) in self.message.iter().enumerate() {
            if *byte != b'\r' || self.message.get(at + 1) != Some(&b'\n') {
                local.push(*byte);
            }
        }
        local
    }
}

/// Makes the message.
///
/// # Errors
/// A sentence when there is no address to send it to or from.
pub fn post(letter: &Letter, addresses: &Addresses) -> Result<Posted, String> {
    let from = match &addresses.from {
        Some(from) => from.clone(),
        None => Mailbox::new(Some("queue".to_owned()), addresses.of_user(&letter.user)?),
    };
    let (to, local_recipient) = recipient(letter, addresses)?;
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()])
        .map_err(|error| format!("{to} cannot be written to: {error}"))?;
    let mut builder = Message::builder()
        .from(from)
        .to(to)
        .subject(letter.subject.clone())
        .message_id(Some(letter.message_id.clone()))
        .envelope(envelope.clone());
    for (name, value) in Letter::HEADERS {
        builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned()));
    }
    let body = SinglePart::plain(letter.body.clone());
    let message = if letter.attachments.is_empty() {
        builder.singlepart(body)
    } else {
        let binary = ContentType::parse("application/octet-stream").map_err(|error| error.to_string())?;
        let parts = letter.attachments.iter().map(|part| {
            let kind = if part.text { ContentType::TEXT_PLAIN } else { binary.clone() };
            Attachment::new(part.name.to_owned()).body(part.bytes.clone(), kind)
        });
        builder.multipart(parts.fold(MultiPart::mixed().singlepart(body), MultiPart::singlepart))
    };
    let message = message.map_err(|error| format!("no message can be made of the report: {error}"))?;
    Ok(Posted { envelope, sender_known: addresses.from.is_some(), local_recipient, message: message.formatted() })
}

/// The recipient: what the owner has said, else the owner; the second without a domain if none was said.
fn recipient(letter: &Letter, addresses: &Addresses) -> Result<(Mailbox, String), String> {
    let local = |user: &str, address: &Address| match addresses.domain {
        Some(_) => address.to_string(),
        None => user.to_owned(),
    };
    let name = letter.to.as_deref().unwrap_or(&letter.user).trim();
    if name.contains('@') {
        let mailbox = mailbox(name).map_err(|why| format!("{name:?}: {why}"))?;
        let address = mailbox.email.to_string();
        return Ok((mailbox, address));
    }
    let address = addresses.of_user(name)?;
    let local = local(name, &address);
    Ok((Mailbox::new(None, address), local))
}
