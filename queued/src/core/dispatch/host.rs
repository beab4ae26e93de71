//! What a home knows of one host.

use std::time::Duration;

use wire::news::{Edition, HostState, OwnRank, QueueState};

use super::hosts::{Opening, View};
use crate::core::admission::IfFull;
use crate::core::names::HostName;
use crate::core::rank::{Figures, RankRule};
use crate::core::resources::{Lack, Needs, lack_by_news, lack_of_slots};
use crate::core::time::Millis;

/// How long news may have been under way in a cluster of so many hosts, by the host table's
/// own reckoning.
pub fn under_way(hosts: usize) -> Duration {
    Duration::from_millis(1000 + 3 * hosts.min(MOST_RECKONED) as u64)
}

/// How long a host that let a question time out is asked only when no other can be, unless it
/// is heard.
pub const SUSPECTED: Duration = Duration::from_secs(5);

/// How long a host's answer that a queue is full is believed without asking again. Shorter
/// than a host remembers who waits.
pub const FULL: Duration = Duration::from_secs(20);

/// The same when it was not asked to remember: those who wait ask for themselves.
pub const FULL_UNREMEMBERED: Duration = Duration::from_secs(1);

/// From where a record comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From the host on which this runs: it is of this instant.
    Itself,
    /// From another host, perhaps over a third one.
    News {
        /// Which of its records.
        edition: Edition,
        /// How old it may be.
        under_way: Duration,
    },
}

/// The number of a queue in the lists of views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueNumber(pub usize);

/// One host.
#[derive(Debug)]
pub struct Host {
    pub name: HostName,
    standing: Standing,
    cpus: u32,
    speed: f64,
    load1: f64,
    /// When the record was heard that these figures are from; `None` before the first.
    heard: Option<Millis>,
    /// When the newest word about it was said: by itself, or by news as long as that may have
    /// been under way.
    said: Millis,
    /// Tasks that want a CPU there, as far as this home knows.
    busy: f64,
    /// Questions without an answer, by number: each may be a start.
    open: Vec<u64>,
    /// How many questions it was asked.
    questions: u64,
    /// Up to which question `busy` has its own word for: it answers in order, and accepts
    /// before it has made ready, so earlier ones without an answer are in `busy` already.
    told: u64,
    /// From which record and which word after it `busy` was learned: what is later shows all that
    /// is in `busy`, and what is earlier must not replace it.
    order: (Edition, u64),
    suspected_until: Millis,
    /// What it has for jobs, of its newest record: memory, platform and offers only.
    wealth: HostState,
    /// What it said that it has not.
    lacking: Vec<Lacking>,
    /// By queue number.
    queues: Vec<HostQueue>,
}

/// A start in a queue that needs this was refused in these words, which are believed for a while.
#[derive(Debug)]
struct Lacking {
    queue: QueueNumber,
    needs: Needs,
    until: Millis,
    words: String,
}

#[derive(Debug, PartialEq)]
enum Standing {
    Reachable,
    /// Why it cannot be asked, in words that follow its name.
    Unavailable(String),
    Gone,
}

/// One queue there.
#[derive(Debug, Clone, Default)]
struct HostQueue {
    known: bool,
    running: u32,
    limit: Option<u32>,
    shut: bool,
    /// In which words it said that the queue is full, and until when that is believed.
    full: Option<(Millis, String)>,
    rule: Option<RankRule>,
}

impl Host {
    pub fn new(name: HostName) -> Self {
        Self {
            name,
            standing: Standing::Gone,
            cpus: 1,
            speed: 1.0,
            load1: 0.0,
            heard: None,
            said: Millis(0),
            busy: 0.0,
            open: Vec::new(),
            questions: 0,
            told: 0,
            order: Default::default(),
            suspected_until: Millis(0),
            wealth: HostState::default(),
            lacking: Vec::new(),
            queues: Vec::new(),
        }
    }

    /// Takes a record. Says whether it is new, so that its queues are to be taken too.
    pub fn learn(&mut self, state: &HostState, heard: Millis, unavailable: Option<String>, source: Source) -> bool {
        self.standing = unavailable.map_or(Standing::Reachable, Standing::Unavailable);
        if self.heard.is_some_and(|last| heard <= last) || self.is_told_more_than(source) {
            return false;
        }
        self.heard = Some(heard);
        self.suspected_until = Millis(0);
        (self.cpus, self.speed, self.load1) = (state.cpus, state.speed, state.load1);
        self.queues.iter_mut().for_each(|queue| queue.known = false);
        self.wealth.memory_mib = state.memory_mib;
        self.wealth.offers.clone_from(&state.offers);
        self.wealth.platform.clone_from(&state.platform);
        // How much memory jobs have does not travel: such a word stands for its time.
        let wealth = &self.wealth;
        self.lacking.retain(|lacking| lacking.needs.memory > 0 || lack_by_news(wealth, &lacking.needs).is_err());
        let busy = state.runnable + f64::from(state.starting);
        match source {
            Source::Itself => (self.busy, self.said) = (busy, heard),
            Source::News { edition, under_way } => {
                self.said = self.said.max(Millis(heard.0.saturating_sub(under_way.as_millis() as u64)));
                if edition > self.order.0 {
                    // Questions after the last answer may be in it or not: they count beside it.
                    (self.busy, self.order) = (busy, (edition, 0));
                }
            }
        }
        true
    }

    /// Takes the record of a queue, which is part of the host's.
    pub fn learn_queue(&mut self, queue: QueueNumber, state: &QueueState) {
        let queue = self.queue(queue);
        queue.known = true;
        (queue.running, queue.limit, queue.shut) = (state.running, state.limit, state.shut.is_some());
        if !queue.shut && queue.limit.is_none_or(|limit| queue.running < limit) {
            queue.full = None;
        }
    }

    /// The own host's figures are of this instant, but questions to it may have been counted
    /// there or not; its answers tell, so its figures are taken when none is open.
    fn is_told_more_than(&self, source: Source) -> bool {
        source == Source::Itself && self.heard.is_some() && !self.open.is_empty()
    }

    /// It is no longer a member.
    pub fn forget(&mut self) {
        self.standing = Standing::Gone;
    }

    /// Whether another host may have its number.
    pub fn can_be_replaced(&self) -> bool {
        self.is_gone() && self.open.is_empty()
    }

    pub fn is_gone(&self) -> bool {
        self.standing == Standing::Gone
    }

    /// Why it cannot be asked, in words that follow its name.
    pub fn unavailable(&self) -> Option<&str> {
        match &self.standing {
            Standing::Unavailable(words) => Some(words),
            Standing::Reachable | Standing::Gone => None,
        }
    }

    /// What its rank is made of, with what this home is asking it for.
    pub fn figures(&self, queue: QueueNumber) -> Figures {
        let running = self.queues.get(queue.0).map_or(0, |queue| queue.running);
        let coming = self.open.iter().filter(|question| **question > self.told).count();
        Figures {
            busy: self.busy + coming as f64,
            cpus: self.cpus,
            speed: self.speed,
            load1: self.load1,
            running: running + self.open.len() as u32,
        }
    }

    pub fn view(&self, queue: QueueNumber, default_rule: RankRule) -> View {
        let figures = self.figures(queue);
        let state = self.queues.get(queue.0);
        let rule = state.and_then(|state| state.rule).unwrap_or(default_rule);
        let opening = match (state, &self.standing) {
            (_, Standing::Unavailable(_) | Standing::Gone) => Opening::Unavailable,
            (None | Some(HostQueue { known: false, .. }), Standing::Reachable) => Opening::NoQueue,
            (Some(state), Standing::Reachable) => {
                let is_full = state.limit.is_some_and(|limit| figures.running >= limit);
                match (is_full || state.shut, self.open.is_empty()) {
                    (false, _) => Opening::Open,
                    (true, true) => Opening::Full,
                    (true, false) => Opening::FullIfAsked,
                }
            }
        };
        let full_until = state.and_then(|state| state.full.as_ref()).map_or(Millis(0), |(until, _)| *until);
        View {
            rank: figures.rank(rule),
            spare: figures.spare(),
            said: self.said,
            opening,
            full_until,
            suspected_until: self.suspected_until,
        }
    }

    /// What it looks like to a start that needs this, `view` being what it looks like to any.
    pub fn seen(&self, queue: QueueNumber, needs: &Needs, mut view: View) -> View {
        if let Opening::Open | Opening::Full | Opening::FullIfAsked = view.opening {
            match self.lack(queue, needs) {
                Some(Lack::Never(_)) => view.opening = Opening::Unfit,
                Some(Lack::Taken(_)) if self.open.is_empty() => view.opening = Opening::Full,
                Some(Lack::Taken(_)) => view.opening = Opening::FullIfAsked,
                None => {}
            }
        }
        let said = self.lacking(queue, needs).map_or(Millis(0), |lacking| lacking.until);
        view.full_until = view.full_until.max(said);
        view
    }

    /// What seems to be missing there for a start that needs this.
    pub fn lack(&self, queue: QueueNumber, needs: &Needs) -> Option<Lack> {
        let limit = self.queues.get(queue.0).and_then(|queue| queue.limit);
        let slots = lack_of_slots(limit, self.figures(queue).running, self.cpus, needs).err();
        let named = || lack_by_news(&self.wealth, needs).err();
        match slots {
            Some(Lack::Never(_)) => slots,
            Some(Lack::Taken(_)) => match named() {
                never @ Some(Lack::Never(_)) => never,
                Some(Lack::Taken(_)) | None => slots,
            },
            None => named(),
        }
    }

    fn lacking(&self, queue: QueueNumber, needs: &Needs) -> Option<&Lacking> {
        self.lacking.iter().find(|lacking| lacking.queue == queue && lacking.needs == *needs)
    }

    /// It is asked; gives the question's number.
    pub fn asked(&mut self) -> u64 {
        self.questions += 1;
        self.open.push(self.questions);
        self.questions
    }

    /// The question is over: answered, given up, or nobody needs the answer.
    pub fn not_asked(&mut self, question: u64) {
        self.open.retain(|other| *other != question);
    }

    /// How many questions to it have no answer yet.
    #[cfg(test)]
    pub fn open_questions(&self) -> usize {
        self.open.len()
    }

    /// It did not answer in time.
    pub fn suspected(&mut self, now: Millis) {
        self.suspected_until = now + SUSPECTED;
    }

    /// When the newest record of it was heard.
    pub fn heard(&self) -> Option<Millis> {
        self.heard
    }

    /// It told its rank. `change` is what has happened: to the tasks that the rank does not show
    /// yet, or to those that were there when the rank says only that a CPU is free.
    fn told_rank(&mut self, now: Millis, rank: OwnRank, rule: RankRule, change: Change) {
        self.said = now;
        self.suspected_until = Millis(0);
        let order = (rank.edition, rank.number);
        if order <= self.order {
            // What is known was said later and shows it.
            return;
        }
        self.order = order;
        self.busy += change.before();
        if rule == RankRule::Share {
            let free = f64::from(self.cpus.max(1)) - 1.0;
            let busy = Figures::busy_of_share(rank.value, self.cpus, self.speed);
            self.busy = busy.unwrap_or(self.busy.min(free)).max(0.0);
        }
        self.busy += change.after();
    }

    /// It answered a question and told its rank.
    pub fn answered(&mut self, now: Millis, question: u64, rank: OwnRank, rule: RankRule) {
        self.told = self.told.max(question);
        self.told_rank(now, rank, rule, Change::None);
    }

    /// It accepted a job of this home; its rank was told before that.
    pub fn accepted(&mut self, now: Millis, question: u64, rank: OwnRank, rule: RankRule, slots: (QueueNumber, u32)) {
        self.told = self.told.max(question);
        self.told_rank(now, rank, rule, Change::Start);
        let (queue, cpus) = slots;
        self.count(queue, i32::try_from(cpus).unwrap_or(i32::MAX));
    }

    /// A job of this home has ended there; its rank was told after that, if at all.
    pub fn ended(&mut self, now: Millis, rank: Option<OwnRank>, rule: RankRule, slots: (QueueNumber, u32)) {
        match rank {
            Some(rank) => self.told_rank(now, rank, rule, Change::End),
            None => self.busy = (self.busy - 1.0).max(0.0),
        }
        let (queue, cpus) = slots;
        self.count(queue, i32::try_from(cpus).map_or(i32::MIN, |cpus| -cpus));
        self.queue(queue).full = None;
        self.lacking.clear();
    }

    /// It said that it holds a slot of a queue for this home.
    pub fn said_free(&mut self, queue: QueueNumber) {
        self.queue(queue).full = None;
    }

    /// It said that it is full, in these words, and remembers this home or not.
    ///
    /// Whether it was a slot that was missing is not known of a job that needs more: nobody is kept from asking
    /// but those who need the same.
    pub fn said_full(&mut self, now: Millis, queue: QueueNumber, needs: &Needs, words: String, if_full: IfFull) {
        let believed = match if_full {
            IfFull::Remember => FULL,
            IfFull::Forget => FULL_UNREMEMBERED,
        };
        let until = now + believed;
        if needs.are_plain() {
            self.queue(queue).full = Some((until, words));
            return;
        }
        self.lacking.retain(|lacking| lacking.until > now && !(lacking.queue == queue && lacking.needs == *needs));
        self.lacking.push(Lacking { queue, needs: needs.clone(), until, words });
    }

    /// In which words it said, or is known to have, too little for a start that needs this.
    pub fn lack_words(&self, queue: QueueNumber, needs: &Needs) -> Option<String> {
        if needs.are_plain() {
            return self.full_words(queue).map(str::to_owned);
        }
        let said = self.lacking(queue, needs).map(|lacking| lacking.words.clone());
        let known = || self.lack(queue, needs).map(|lack| lack.words().to_owned());
        said.or_else(known).or_else(|| self.full_words(queue).map(str::to_owned))
    }

    /// In which words it said that `queue` is full.
    pub fn full_words(&self, queue: QueueNumber) -> Option<&str> {
        let (_, words) = self.queues.get(queue.0)?.full.as_ref()?;
        Some(words)
    }

    pub fn rule(&self, queue: QueueNumber) -> Option<RankRule> {
        self.queues.get(queue.0)?.rule
    }

    pub fn ranked(&mut self, queue: QueueNumber, rule: RankRule) {
        self.queue(queue).rule = Some(rule);
    }

    fn queue(&mut self, queue: QueueNumber) -> &mut HostQueue {
        if self.queues.len() <= queue.0 {
            self.queues.resize_with(queue.0 + 1, HostQueue::default);
        }
        &mut self.queues[queue.0]
    }

    fn count(&mut self, queue: QueueNumber, by: i32) {
        let queue = self.queue(queue);
        queue.running = queue.running.saturating_add_signed(by);
    }
}

/// What a host tells together with its rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// A start, which the rank does not show yet.
    Start,
    /// An end, which the rank shows already.
    End,
}

impl Change {
    fn before(self) -> f64 {
        if self == Self::End { -1.0 } else { 0.0 }
    }

    fn after(self) -> f64 {
        if self == Self::Start { 1.0 } else { 0.0 }
    }
}

/// More hosts than these do not make news slower.
const MOST_RECKONED: usize = 1000;
