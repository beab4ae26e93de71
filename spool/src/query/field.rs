//! The fields that can be asked about, and their names.

use super::error::Why;
use super::suggest;

/// What a term is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    State,
    Tag,
    Restartable,
    Number(Number),
    Text(Text),
}

/// A field that is a number, in the unit of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Id,
    Priority,
    Attempt,
    Exit,
    Submitted,
    Started,
    Ended,
    Wall,
    Cpu,
    Memory,
}

/// A field that is a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Queue,
    User,
    Name,
    Host,
    Signal,
    Command,
    Directory,
    Report,
    Notice,
}

impl Field {
    /// The one with this name, or with the only name that begins so.
    pub fn named(name: &str) -> Result<Self, Why> {
        if let Some(&(_, field)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Ok(field);
        }
        let mut fields: Vec<Self> = Vec::new();
        for &(_, field) in NAMES.iter().filter(|(known, _)| known.starts_with(name)) {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        let name = || suggest::shown(name);
        match fields[..] {
            [only] => Ok(only),
            [] => Err(Why::NoField { nearest: suggest::nearest(&name(), Self::names()), name: name() }),
            _ => Err(Why::Ambiguous { name: name(), fields: fields.into_iter().map(Self::name).collect() }),
        }
    }

    /// Its first name.
    pub fn name(self) -> &'static str {
        let names = NAMES.iter().find(|(_, field)| *field == self);
        names.map(|(name, _)| *name).expect("every field is in NAMES, or no text could have led to it")
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// What may stand behind its name.
    pub fn example(self) -> &'static str {
        match self {
            Self::State => "=finished",
            Self::Tag => "=night",
            Self::Restartable => "=true",
            Self::Number(Number::Id) => "=17-30",
            Self::Number(Number::Priority | Number::Attempt) => ">1",
            Self::Number(Number::Exit) => "!=0",
            Self::Number(Number::Submitted | Number::Started | Number::Ended) => ">2h",
            Self::Number(Number::Wall | Number::Cpu) => ">30min",
            Self::Number(Number::Memory) => ">4GiB",
            Self::Text(Text::Signal) => "=KILL",
            Self::Text(Text::Report | Text::Notice) => "=owed",
            Self::Text(_) => "=~abc",
        }
    }
}

impl Number {
    /// Whether some jobs have none.
    pub fn may_be_absent(self) -> bool {
        match self {
            Self::Id | Self::Priority | Self::Attempt | Self::Submitted => false,
            Self::Exit | Self::Started | Self::Ended | Self::Wall | Self::Cpu | Self::Memory => true,
        }
    }
}

impl Text {
    /// Whether some jobs have none.
    pub fn may_be_absent(self) -> bool {
        match self {
            Self::Queue | Self::User | Self::Command | Self::Directory => false,
            Self::Name | Self::Host | Self::Signal | Self::Report | Self::Notice => true,
        }
    }
}

/// The first name of a field is what messages call it.
const NAMES: [(&str, Field); 26] = [
    ("id", Field::Number(Number::Id)),
    ("jid", Field::Number(Number::Id)),
    ("state", Field::State),
    ("queue", Field::Text(Text::Queue)),
    ("user", Field::Text(Text::User)),
    ("priority", Field::Number(Number::Priority)),
    ("name", Field::Text(Text::Name)),
    ("tag", Field::Tag),
    ("host", Field::Text(Text::Host)),
    ("runner", Field::Text(Text::Host)),
    ("exit", Field::Number(Number::Exit)),
    ("exit_status", Field::Number(Number::Exit)),
    ("signal", Field::Text(Text::Signal)),
    ("command", Field::Text(Text::Command)),
    ("directory", Field::Text(Text::Directory)),
    ("attempt", Field::Number(Number::Attempt)),
    ("restartable", Field::Restartable),
    ("report", Field::Text(Text::Report)),
    ("notice", Field::Text(Text::Notice)),
    ("submitted", Field::Number(Number::Submitted)),
    ("started", Field::Number(Number::Started)),
    ("ended", Field::Number(Number::Ended)),
    ("finished", Field::Number(Number::Ended)),
    ("wall", Field::Number(Number::Wall)),
    ("cpu", Field::Number(Number::Cpu)),
    ("memory", Field::Number(Number::Memory)),
];
