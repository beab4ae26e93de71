//! Which of the job's descriptors are its terminal, and who takes the local terminal when.
//!
//! Each of the job's 0, 1, 2 is the pty exactly if the client's is its controlling terminal,
//! else a pipe; `-o` and `-n` make pipes of more. The table is the test at the end.

use wire::job::Descriptor;

/// What the person asked for with `-p`, `-o` or `-n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pty {
    /// Nothing was said: as the terminals allow, and the local one only when it is wanted.
    #[default]
    AsNeeded,
    /// `-p`: as the terminals allow, and the local one from the start.
    Full,
    /// `-o`: for input only; output goes by pipes.
    Half,
    /// `-n`: no pty; terminals become pipes.
    None,
}

/// How a job is connected, and how its client treats the local terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// For the job's description.
    pub descriptors: [Descriptor; 3],
    /// Descriptors that may be handed over on the own host: pipes that are no terminal here.
    pub offered: [bool; 3],
    /// The client goes raw as soon as it is in the foreground, not only when the job asks.
    pub eager: bool,
    /// All three are the terminal: every key is meant for the job.
    pub full: bool,
    /// Standard input is the terminal here and a pipe for the job.
    pub reads_terminal: bool,
    /// The end waits for children of the job that still hold its output, as rsh's and ssh's does.
    pub drains: bool,
}

/// How raw the local terminal is made for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rawness {
    /// Keys and output go through as they are.
    Whole,
    /// The keys for signals still work and output is still processed: the terminal is shared
    /// with the rest of a pipeline.
    Shared,
}

impl Plan {
    /// The plan for a client whose descriptors are its controlling terminal, some other
    /// terminal, or neither.
    pub fn new(pty: Pty, here: [Here; 3]) -> Self {
        let mut descriptors = [Descriptor::Pipe; 3];
        let mut offered = [false; 3];
        for number in 0..3 {
            let wanted = match pty {
                Pty::AsNeeded | Pty::Full => true,
                Pty::Half => number == 0,
                Pty::None => false,
            };
            if wanted && here[number] == Here::Controlling {
                descriptors[number] = Descriptor::Pty;
            }
            // A terminal is never handed over: the job would have it without being in its
            // session.
            offered[number] = here[number] == Here::NoTerminal;
        }
        let full = descriptors == [Descriptor::Pty; 3];
        let has_pty = descriptors.contains(&Descriptor::Pty);
        let eager = full || has_pty && matches!(pty, Pty::Full | Pty::Half);
        let reads_terminal = here[0] == Here::Controlling && descriptors[0] == Descriptor::Pipe;
        Self { descriptors, offered, eager, full, reads_terminal, drains: false }
    }

    /// The plan for a client that attaches to a job with these descriptors.
    pub fn attached(descriptors: [Descriptor; 3]) -> Self {
        let full = descriptors == [Descriptor::Pty; 3];
        Self { descriptors, offered: [false; 3], eager: true, full, reads_terminal: false, drains: false }
    }

    /// How raw the local terminal is to be.
    pub fn rawness(&self) -> Rawness {
        if self.full { Rawness::Whole } else { Rawness::Shared }
    }

    /// Whether the job has a terminal at all.
    pub fn has_pty(&self) -> bool {
        self.descriptors.contains(&Descriptor::Pty)
    }
}

/// What one of the client's own descriptors is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// The controlling terminal.
    Controlling,
    /// A terminal that does not control this process.
    OtherTerminal,
    /// A file, a pipe, a socket, a device.
    NoTerminal,
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Here = Here::Controlling;
    const O: Here = Here::OtherTerminal;
    const N: Here = Here::NoTerminal;

    /// Descriptors as letters: `t` pty, `p` pipe, `h` pipe that may be handed over.
    fn letters(plan: &Plan) -> String {
        (0..3)
            .map(|number| match (plan.descriptors[number], plan.offered[number]) {
                (Descriptor::Pty, _) => 't',
                (_, true) => 'h',
                (_, false) => 'p',
            })
            .collect()
    }

    #[test]
    fn each_descriptor_is_the_terminal_exactly_if_the_clients_is() {
        let rows = [
            // asked, client's 0 1 2, job's 0 1 2, eager, full
            (Pty::AsNeeded, [T, T, T], "ttt", true, true),
            (Pty::AsNeeded, [T, N, T], "tht", false, false),
            (Pty::AsNeeded, [N, T, T], "htt", false, false),
            (Pty::AsNeeded, [N, N, T], "hht", false, false),
            (Pty::AsNeeded, [N, N, N], "hhh", false, false),
            (Pty::AsNeeded, [T, T, N], "tth", false, false),
            (Pty::AsNeeded, [T, O, T], "tpt", false, false),
            (Pty::Full, [T, T, T], "ttt", true, true),
            (Pty::Full, [T, N, T], "tht", true, false),
            (Pty::Full, [N, N, N], "hhh", false, false),
            (Pty::Half, [T, T, T], "tpp", true, false),
            (Pty::Half, [T, N, T], "thp", true, false),
            (Pty::Half, [N, T, T], "hpp", false, false),
            (Pty::None, [T, T, T], "ppp", false, false),
            (Pty::None, [T, N, N], "phh", false, false),
        ];
        for (pty, here, job, eager, full) in rows {
            let plan = Plan::new(pty, here);
            let seen = (letters(&plan), plan.eager, plan.full);
            assert_eq!(seen, (job.to_owned(), eager, full), "{pty:?} {here:?}");
        }
    }
}
