//! What the owner asked for at the end of a job: checked here, done by a process of its own ([`notice`]).

use std::sync::Arc;

use wire::job::Job;

use super::attempts::Attempts;
use crate::link::{FromRunner, Notify};
use crate::runner::notice::{self, Errand};
use crate::runner::shared::Shared;

impl Attempts {
    /// Does it, and answers then.
    pub(super) fn notify(&mut self, notify: Notify) {
        let request = notify.request;
        let errand = match self.errand(notify) {
            Ok(errand) => errand,
            Err(why) => return answer(&self.shared, request, Some(why)),
        };
        let shared = self.shared.clone();
        let taken = self.notices.run(move || answer(&shared, request, notice::send(&errand).err()));
        if !taken {
            answer(&self.shared, request, Some("too much waits already to be done at the ends of jobs".to_owned()));
        }
    }

    /// What to do is taken from what the owner has signed, and from nothing else.
    fn errand(&mut self, notify: Notify) -> Result<Errand, String> {
        let Notify { job, warrant, row, text, .. } = notify;
        let trust = self.shared.trust().map_err(|error| format!("{error:#}"))?;
        let verified = self.checker.whose(&job, warrant, &trust);
        let verified = verified.map_err(|error| format!("the job's warrant is refused: {error}"))?;
        let own = sys::credentials::user_name(sys::credentials::own_uid());
        // In personal mode one person has one key, whatever the account is called.
        if self.shared.options.voucher.is_some() && own.as_ref() != Some(&verified.identity.user) {
            return Err(format!("it is a job of {}", verified.identity.user));
        }
        let Job { environment, directory, umask, limits, batch, .. } = job;
        let wish = batch.and_then(|batch| batch.notify).ok_or("its owner asked for nothing")?;
        let open_files = limits.iter().find(|limit| limit.name == "nofile").map(|limit| limit.soft);
        Ok(Errand { wish, environment, directory, umask, open_files, row, text })
    }
}

fn answer(shared: &Arc<Shared>, request: u64, error: Option<String>) {
    shared.tell(&FromRunner::Transferred { request, bytes: 0, error });
}
