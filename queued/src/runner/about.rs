//! What a session is about, for those who look for it: kept instead of its whole job, whose environment
//! is large and a secret.

use wire::job::Descriptor;

use crate::leader::Assignment;

/// What is told of a session.
#[derive(Debug, Clone)]
pub struct About {
    /// Its user, as the warrant's certificate names it.
    pub user: String,
    /// The command, as a shell would read it, shortened.
    pub command: String,
    /// Its queue.
    pub queue: String,
    /// What the job's descriptors 0, 1 and 2 are.
    pub descriptors: [Descriptor; 3],
}

impl About {
    /// What is told of this one.
    pub fn of(assignment: &Assignment) -> Self {
        let job = &assignment.job;
        Self {
            user: assignment.user.clone(),
            command: job.command_line(),
            queue: job.queue.clone(),
            descriptors: job.descriptors,
        }
    }

    /// Whether the job has a terminal.
    pub fn has_terminal(&self) -> bool {
        self.descriptors.contains(&Descriptor::Pty)
    }
}
