//! What survives: the job as its home has it on disk, the attempt as the host that runs it
//! has it on disk, and the promises between the two.
//!
//! Everything here is pure: no clock, no file, no network. The caller says what happened,
//! makes the record that comes out durable, and only then answers anybody. Where the
//! records are kept is another matter. `docs/spool.md` explains it to people and copies three of
//! the tables below.
//!
//! # The states of a job
//!
//! `held → pending → running → finished | dead | cancelled`. A running job is *placed* (home
//! has chosen a host), *accepted* (that host has written it down; its leader may exec),
//! *started* (the leader has exec'd) or *delivering* (it has ended, its output is on its way).
//!
//! In the tables `=` is "nothing new" ([`home::Step::Nothing`]), `no` is "not allowed", with a
//! reason in words ([`home::NotAllowed`]), `later` is "true, but not to be settled now"
//! ([`home::Step::Later`]), and a state is where the event leads, which may be the same state
//! with something noted in it. `a / b` is a for a job that is started at most once, b for a
//! restartable one. `tests/states/table.rs` reads these very lines and tries every cell.
//!
//! | event             | held          | pending       | placed         | accepted       | started        | delivering | finished | never started | cancelled |
//! |-------------------|---------------|---------------|----------------|----------------|----------------|------------|----------|---------------|-----------|
//! | submitted         | =             | =             | =              | =              | =              | =          | =        | =             | =         |
//! | held              | =             | held          | no             | no             | no             | no         | no       | no            | no        |
//! | released          | pending       | =             | no             | no             | no             | no         | no       | no            | no        |
//! | placed            | no            | placed        | no             | no             | no             | no         | no       | no            | no        |
//! | says: accepted    | =             | =             | accepted       | =              | =              | =          | =        | =             | =         |
//! | says: refused     | =             | =             | pending        | pending        | no             | no         | =        | =             | =         |
//! | says: started     | =             | =             | started        | started        | =              | =          | =        | =             | =         |
//! | says: ended       | =             | =             | delivering     | delivering     | delivering     | =          | =        | =             | =         |
//! | says: gone        | =             | =             | lost / pending | lost / pending | lost / pending | =          | =        | =             | =         |
//! | says: other spool | =             | =             | lost / =       | lost / =       | lost / =       | finished   | =        | =             | =         |
//! | delivered         | =             | =             | no             | no             | no             | finished   | =        | =             | =         |
//! | host silent       | =             | =             | placed         | accepted       | started        | delivering | =        | =             | =         |
//! | host heard        | =             | =             | =              | =              | =              | =          | =        | =             | =         |
//! | lease asked       | no            | no            | no / accepted  | no / =         | no / =         | no         | no       | no            | no        |
//! | lease expired     | =             | =             | no / pending   | no / pending   | no / pending   | no / =     | =        | =             | =         |
//! | cancel asked      | cancelled     | cancelled     | placed         | accepted       | started        | no         | no       | no            | =         |
//! | no host can       | no            | never started | no             | no             | no             | no         | no       | no            | no        |
//! | awaited in vain   | never started | never started | no             | no             | no             | no         | no       | no            | no        |
//! | given up          | no            | no            | lost / no      | lost / no      | lost / no      | finished   | no       | no            | no        |
//! | resubmitted       | no            | no            | no             | no             | no             | no         | pending  | pending       | pending   |
//!
//! *Lost* is `dead: lost host`, *never started* is `dead: never started`. What is about an
//! attempt is about the newest one here. About an attempt that was never placed everything is
//! `no`, and so is a report out of another spool than the one it was placed in; about an older
//! one that no longer matters everything is `=`, but its lease is not renewed.
//!
//! # Cancelled while running
//!
//! `cancelled` is entered only when the process is known to be gone. Until then the job
//! reads `running (cancel asked)`, and these rows differ from the table above:
//!
//! | event         | placed         | accepted       | started        |
//! |---------------|----------------|----------------|----------------|
//! | says: refused | cancelled      | cancelled      | no             |
//! | says: gone    | cancelled      | cancelled      | cancelled      |
//! | lease asked   | no             | no             | no             |
//! | lease expired | no / cancelled | no / cancelled | no / cancelled |
//! | cancel asked  | =              | =              | =              |
//!
//! # After an attempt was lost
//!
//! The truth about a lost attempt wins over what home assumed, as long as no later attempt
//! has been started. So `dead: lost host` leads to `finished` by way of `delivering`, and a
//! resubmitted or restarted job remembers the attempt before until the next is started. What is
//! known of the lost attempt is one of [`home::Loss`], and in *held*, *pending* and *lost* this
//! is what events about it do:
//!
//! | event             | given up   | other spool | lease over | gone       |
//! |-------------------|------------|-------------|------------|------------|
//! | says: accepted    | accepted   | accepted    | =          | =          |
//! | says: refused     | settled    | settled     | =          | =          |
//! | says: started     | started    | started     | =          | =          |
//! | says: ended       | delivering | delivering  | delivering | delivering |
//! | says: gone        | noted      | noted       | noted      | =          |
//! | says: other spool | noted      | =           | =          | =          |
//! | delivered         | =          | =           | =          | =          |
//! | host silent       | =          | =           | =          | =          |
//! | host heard        | =          | =           | =          | =          |
//! | lease asked       | no         | no          | no         | no         |
//! | lease expired     | =          | =           | =          | =          |
//!
//! *Noted*: the same state. *Settled*: the same state without the lost attempt, and out of
//! *lost* `never started`. When the next attempt is placed or accepted already, the truth has to
//! wait until that one is refused or started: the cells that name a running state are `later`.
//!
//! Events about the job, where *in doubt* is given up or other spool:
//!
//! | event                  | held      | pending   | placed    | accepted  | lost    |
//! |------------------------|-----------|-----------|-----------|-----------|---------|
//! | submitted              | =         | =         | =         | =         | =       |
//! | held                   | =         | held      | no        | no        | no      |
//! | released               | pending   | =         | no        | no        | no      |
//! | placed                 | no        | placed    | no        | no        | no      |
//! | cancel asked, in doubt | lost      | lost      | placed    | accepted  | no      |
//! | cancel asked, gone     | cancelled | cancelled | placed    | accepted  | no      |
//! | no host can            | no        | lost      | no        | no        | no      |
//! | awaited in vain        | lost      | lost      | no        | no        | no      |
//! | given up               | no        | no        | lost / no | lost / no | no      |
//! | resubmitted            | no        | no        | no        | no        | pending |
//!
//! An attempt that is given up before anybody knows whether it was started may have another lost
//! one behind it, and so on. The truth about an older one is `later` until all newer ones are
//! known to have been refused; a job with [`home::MOST_LOST`] of them is not resubmitted. Home
//! keeps asking about each: [`home::Record::unsettled`].
//!
//! # The attempt on its host
//!
//! Home writes *placed*, the host writes *accepted*, only then its leader execs. "Never seen"
//! is answered by writing *refused*, so that the start message, should it still come, starts
//! nothing. Here `=` is [`hosted::Step::Nothing`]; a message that means another spool is `no`.
//!
//! | event        | unseen   | accepted | refused | started | ended        | acknowledged |
//! |--------------|----------|----------|---------|---------|--------------|--------------|
//! | start asked  | accepted | =        | =       | =       | =            | =            |
//! | asked        | refused  | =        | =       | =       | =            | =            |
//! | cancel asked | refused  | =        | =       | =       | =            | =            |
//! | acknowledged | no       | no       | no      | no      | acknowledged | =            |
//! | declined     | refused  | refused  | =       | no      | no           | no           |
//! | started      | no       | started  | no      | =       | =            | =            |
//! | ended        | no       | ended    | no      | ended   | =            | =            |
//!
//! # Leases
//!
//! An attempt of a restartable job starts only after home has granted a lease, which the host
//! asks for when it has written *accepted*, counts from the moment it asked, and the leader alone
//! can enforce; every renewal is asked and counted the same way. So an attempt that home only knows
//! as *placed* has no lease and has not been started. Home places the next attempt only after
//! [`home::Event::LeaseExpired`]: the lease and a quarter have passed since it last granted it.
//! As long as the two clocks run at the same rate within a tenth, two attempts never run at
//! the same time.

pub mod home;
pub mod hosted;
mod id;
pub mod query;
pub mod store;

pub use id::{Attempt, BadId, JobId, LARGEST, SpoolId};
