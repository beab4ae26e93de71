//! `[mail]` in `queued.toml`: by which way reports leave this host, and under which name.

use std::path::PathBuf;

use lettre::Address;
use lettre::message::Mailbox;
use serde::Deserialize;

/// What `[mail]` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MailSettings {
    /// The sender: `queue@example.org`, or with a name before it.
    pub from: Option<String>,
    /// What stands behind the `@` of a user who has said no address.
    pub domain: Option<String>,
    /// The mail server's name or number.
    pub smtp: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// How the connection to it is protected.
    pub security: Option<Security>,
    /// As whom to log in there.
    pub user: Option<String>,
    /// The file with that user's password.
    pub password_file: Option<PathBuf>,
    /// The program that takes letters, or `none`.
    pub sendmail: Option<PathBuf>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Not at all.
    None,
    /// TLS after a word in the clear; without it nothing is sent.
    Starttls,
    /// TLS from the first byte.
    Tls,
}

impl Security {
    /// The port that is usual for it.
    pub fn port(self) -> u16 {
        match self {
            Security::None => 25,
            Security::Starttls => 587,
            Security::Tls => 465,
        }
    }
}

impl MailSettings {
    /// How the connection is protected: as it says, else not at all inside this host and by STARTTLS elsewhere.
    pub fn security(&self) -> Security {
        let inside = self.smtp.as_deref().is_some_and(is_this_host);
        self.security.unwrap_or(if inside { Security::None } else { Security::Starttls })
    }

    /// Whether the values make sense, each and together.
    ///
    /// # Errors
    /// A sentence that begins with the key.
    pub fn check(&self) -> Result<(), String> {
        if let Some(from) = &self.from {
            mailbox(from).map_err(|why| format!("mail.from = {from:?}: {why}"))?;
        }
        if let Some(domain) = &self.domain
            && Address::new("user", domain).is_err()
        {
            return Err(format!("mail.domain = {domain:?}: what stands behind the @ is expected, such as example.org"));
        }
        if let Some(smtp) = &self.smtp
            && (smtp.is_empty() || smtp.contains(|character: char| character.is_whitespace() || character == '/'))
        {
            return Err(format!(
                "mail.smtp = {smtp:?}: the name of a mail server such as mail.example.org is expected"
            ));
        }
        if self.smtp.is_none() {
            let needless = [
                ("port", self.port.is_some()),
                ("security", self.security.is_some()),
                ("user", self.user.is_some()),
                ("password-file", self.password_file.is_some()),
            ];
            if let Some((key, _)) = needless.into_iter().find(|(_, there)| *there) {
                return Err(format!("mail.{key} has no meaning without mail.smtp, the name of the mail server"));
            }
        }
        if self.port == Some(0) {
            return Err("mail.port = 0: a port from 1 to 65535 is expected".to_owned());
        }
        if self.user.is_some() != self.password_file.is_some() {
            return Err("mail.user and mail.password-file: either both or none is expected".to_owned());
        }
        if self.user.is_some() && self.security() == Security::None && !self.smtp.as_deref().is_some_and(is_this_host) {
            return Err("mail.security = \"none\": the password of mail.user would cross the network in the clear; \
                        say \"starttls\" or \"tls\""
                .to_owned());
        }
        for (key, path) in [("password-file", &self.password_file), ("sendmail", &self.sendmail)] {
            let none = key == "sendmail" && path.as_deref() == Some(NO_PROGRAM.as_ref());
            if let Some(path) = path.as_ref().filter(|path| !path.is_absolute() && !none) {
                return Err(format!("mail.{key} = {path:?}: an absolute path is expected"));
            }
        }
        Ok(())
    }
}

/// What `sendmail` says when no program is to be used.
pub const NO_PROGRAM: &str = "none";

fn is_this_host(server: &str) -> bool {
    server == "localhost" || server.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// One address with or without a name: `ada@example.org`, `Ada Lovelace <ada@example.org>`.
///
/// # Errors
/// When it is something else, or more than one.
pub fn mailbox(text: &str) -> Result<Mailbox, &'static str> {
    let wrong = "one address such as ada@example.org is expected";
    if text.chars().any(char::is_control) {
        return Err(wrong);
    }
    let text = text.trim();
    let mailbox: Mailbox = text.parse().map_err(|_| wrong)?;
    // The parser is content with a beginning that is an address.
    let email: &str = mailbox.email.as_ref();
    if text == email || text.ends_with(&format!("<{email}>")) { Ok(mailbox) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<MailSettings, String> {
        let settings: MailSettings = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        settings.check().map(|()| settings)
    }

    #[test]
    fn a_server_is_reached_by_starttls_unless_it_is_this_host() {
        let security = |text: &str| check(text).map(|settings| (settings.security(), settings.security().port()));
        assert_eq!(security("smtp = \"mail.example.org\""), Ok((Security::Starttls, 587)));
        assert_eq!(security("smtp = \"mail.example.org\"\nsecurity = \"tls\""), Ok((Security::Tls, 465)));
        assert_eq!(security("smtp = \"127.0.0.1\""), Ok((Security::None, 25)));
        assert_eq!(security("smtp = \"localhost\"\nsecurity = \"starttls\""), Ok((Security::Starttls, 587)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_key() {
        for (text, start) in [
            ("from = \"nobody\"", "mail.from = \"nobody\": one address such as"),
            ("from = \"a@b.org, c@d.org\"", "mail.from = \"a@b.org, c@d.org\": one address"),
            ("domain = \"a b\"", "mail.domain = \"a b\": what stands behind the @"),
            ("smtp = \"smtp://mail\"", "mail.smtp = \"smtp://mail\": the name of a mail server"),
            ("port = 25", "mail.port has no meaning without mail.smtp"),
            ("user = \"ada\"\nsmtp = \"m\"", "mail.user and mail.password-file: either both"),
            (
                "user = \"ada\"\nsmtp = \"m\"\npassword-file = \"/p\"\nsecurity = \"none\"",
                "mail.security = \"none\": the password of mail.user would cross",
            ),
            ("smtp = \"m\"\nuser = \"ada\"\npassword-file = \"p\"", "mail.password-file = \"p\": an absolute path"),
            ("sendmail = \"sendmail\"", "mail.sendmail = \"sendmail\": an absolute path"),
            ("smtp = \"m\"\nsecurity = \"ssl\"", "unknown variant `ssl`, expected one of `none`, `starttls`, `tls`"),
            ("smpt = \"m\"", "unknown field `smpt`, expected one of"),
        ] {
            let error = check(text).expect_err(text);
            assert!(error.starts_with(start), "{text}: {error}");
        }
        assert!(check("sendmail = \"none\"").is_ok());
        assert!(check("smtp = \"m\"\nuser = \"ada\"\npassword-file = \"/p\"").is_ok());
    }

    #[test]
    fn an_address_is_one_address_and_nothing_behind_it() {
        let address = |text: &str| mailbox(text).map(|mailbox| (mailbox.name, mailbox.email.to_string()));
        assert_eq!(address(" ada@example.org "), Ok((None, "ada@example.org".into())));
        assert_eq!(address("Ada L <ada@example.org>"), Ok((Some("Ada L".into()), "ada@example.org".into())));
        assert_eq!(address("<ada@example.org>"), Ok((None, "ada@example.org".into())));
        for text in
            ["ada", "", "a@b.org c@d.org", "a@b.org,c@d.org", "a@b.org\r\nBcc: x@y.org", "A <a@b.org> <c@d.org>", "a@"]
        {
            assert!(mailbox(text).is_err(), "{text:?} was taken for {:?}", mailbox(text));
        }
    }
}
