//! What survives: the job as its home has it on disk, the attempt as the host that runs it
//! has it on disk, and the promises between the two.
//!
//! Everything here is pure: no clock, no file, no network. The caller says what happened,
//! makes the record that comes out durable, and only then answers anybody. Where the
//! records are kept is another matter. The paper is §4 of the design.
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
//! | event           | held      | pending       | placed         | accepted       | started        | delivering | finished | never started | cancelled |
//! |-----------------|-----------|---------------|----------------|----------------|----------------|------------|----------|---------------|-----------|
//! | submitted       | =         | =             | =              | =              | =              | =          | =        | =             | =         |
//! | held            | =         | held          | no             | no             | no             | no         | no       | no            | no        |
//! | released        | pending   | =             | no             | no             | no             | no         | no       | no            | no        |
//! | placed          | no        | placed        | no             | no             | no             | no         | no       | no            | no        |
//! | says: accepted  | =         | =             | accepted       | =              | =              | =          | =        | =             | =         |
//! | says: refused   | =         | =             | pending        | pending        | no             | no         | =        | =             | =         |
//! | says: started   | =         | =             | started        | started        | =              | =          | =        | =             | =         |
//! | says: ended     | =         | =             | delivering     | delivering     | delivering     | =          | =        | =             | =         |
//! | says: gone      | =         | =             | lost / pending | lost / pending | lost / pending | =          | =        | =             | =         |
//! | other spool     | =         | =             | lost / =       | lost / =       | lost / =       | finished   | =        | =             | =         |
//! | delivered       | =         | =             | no             | no             | no             | finished   | =        | =             | =         |
//! | host silent     | =         | =             | placed         | accepted       | started        | delivering | =        | =             | =         |
//! | host heard      | =         | =             | =              | =              | =              | =          | =        | =             | =         |
//! | lease asked     | no        | no            | no / =         | no / =         | no / =         | no         | no       | no            | no        |
//! | lease expired   | =         | =             | no / pending   | no / pending   | no / pending   | no / =     | =        | =             | =         |
//! | cancel asked    | cancelled | cancelled     | placed         | accepted       | started        | no         | no       | no            | =         |
//! | no host can     | no        | never started | no             | no             | no             | no         | no       | no            | no        |
//! | given up        | no        | no            | lost / no      | lost / no      | lost / no      | finished   | no       | no            | no        |
//! | resubmitted     | no        | no            | no             | no             | no             | no         | pending  | pending       | pending   |
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
//! | event           | placed         | accepted       | started        |
//! |-----------------|----------------|----------------|----------------|
//! | says: refused   | cancelled      | cancelled      | no             |
//! | says: gone      | cancelled      | cancelled      | cancelled      |
//! | lease asked     | no             | no             | no             |
//! | lease expired   | no / cancelled | no / cancelled | no / cancelled |
//! | cancel asked    | =              | =              | =              |
//!
//! # After an attempt was lost
//!
//! The truth about a lost attempt wins over what home assumed, as long as no later attempt
//! has been started. So `dead: lost host` leads to `finished` by way of `delivering`, and a
//! resubmitted or restarted job remembers the attempt before until the next is started. The
//! attempt is *unsure* when it was given up or its host has another spool, its *lease over*
//! when that is how home knows that the process is gone, *gone* when its host said so. Events
//! about the lost attempt, and those about the job where they differ from the first table:
//!
//! | event           | held, unsure | held, lease over | held, gone | pending, unsure | pending, lease over | pending, gone | placed, unsure | placed, lease over | placed, gone | lost, unsure  | lost, lease over | lost, gone |
//! |-----------------|--------------|------------------|------------|-----------------|---------------------|---------------|----------------|--------------------|--------------|---------------|------------------|------------|
//! | submitted       | =            | =                | =          | =               | =                   | =             | =              | =                  | =            | =             | =                | =          |
//! | held            | =            | =                | =          | held            | held                | held          | no             | no                 | no           | no            | no               | no         |
//! | released        | pending      | pending          | pending    | =               | =                   | =             | no             | no                 | no           | no            | no               | no         |
//! | placed          | no           | no               | no         | placed          | placed              | placed        | no             | no                 | no           | no            | no               | no         |
//! | says: accepted  | accepted     | =                | =          | accepted        | =                   | =             | later          | =                  | =            | accepted      | =                | =          |
//! | says: refused   | held         | =                | =          | pending         | =                   | =             | placed         | =                  | =            | never started | =                | =          |
//! | says: started   | started      | =                | =          | started         | =                   | =             | later          | =                  | =            | started       | =                | =          |
//! | says: ended     | delivering   | delivering       | delivering | delivering      | delivering          | delivering    | later          | later              | later        | delivering    | delivering       | delivering |
//! | says: gone      | held         | held             | =          | pending         | pending             | =             | placed         | placed             | =            | lost          | lost             | =          |
//! | other spool     | =            | =                | =          | =               | =                   | =             | =              | =                  | =            | =             | =                | =          |
//! | delivered       | =            | =                | =          | =               | =                   | =             | =              | =                  | =            | =             | =                | =          |
//! | host silent     | =            | =                | =          | =               | =                   | =             | =              | =                  | =            | =             | =                | =          |
//! | host heard      | =            | =                | =          | =               | =                   | =             | =              | =                  | =            | =             | =                | =          |
//! | lease asked     | no           | no               | no         | no              | no                  | no            | no             | no                 | no           | no            | no               | no         |
//! | lease expired   | =            | =                | =          | =               | =                   | =             | =              | =                  | =            | =             | =                | =          |
//! | cancel asked    | lost         | cancelled        | cancelled  | lost            | cancelled           | cancelled     | placed         | placed             | placed       | no            | no               | no         |
//! | no host can     | no           | no               | no         | lost            | lost                | lost          | no             | no                 | no           | no            | no               | no         |
//! | given up        | no           | no               | no         | no              | no                  | no            | lost / no      | lost / no          | lost / no    | no            | no               | no         |
//! | resubmitted     | no           | no               | no         | no              | no                  | no            | no             | no                 | no           | pending       | pending          | pending    |
//!
//! *Accepted* with a lost attempt behind it is as *placed* there.
//!
//! # The attempt on its host
//!
//! Home writes *placed*, the host writes *accepted*, only then its leader execs. "Never seen"
//! is answered by writing *refused*, so that the start message, should it still come, starts
//! nothing. Here `=` is [`hosted::Step::Nothing`]; a message that means another spool is `no`.
//!
//! | event           | unseen   | accepted | refused | started | ended        | acknowledged |
//! |-----------------|----------|----------|---------|---------|--------------|--------------|
//! | start asked     | accepted | =        | =       | =       | =            | =            |
//! | asked           | refused  | =        | =       | =       | =            | =            |
//! | cancel asked    | refused  | =        | =       | =       | =            | =            |
//! | acknowledged    | no       | no       | no      | no      | acknowledged | =            |
//! | declined        | refused  | refused  | =       | no      | no           | no           |
//! | started         | no       | started  | no      | =       | =            | =            |
//! | ended           | no       | ended    | no      | ended   | =            | =            |
//!
//! # Leases
//!
//! An attempt of a restartable job starts only after home has granted a lease, which the host
//! counts from the moment it asked and the leader alone can enforce; every renewal is asked
//! and counted the same way. Home places the next attempt only after
//! [`home::Event::LeaseExpired`]: the lease and a quarter have passed since it last granted it.
//! As long as the two clocks run at the same rate within a tenth, two attempts never run at
//! the same time.

pub mod home;
pub mod hosted;
mod id;

pub use id::{Attempt, BadId, JobId, LARGEST, SpoolId};
