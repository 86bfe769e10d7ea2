//! What must be true of the queue, said once more in the simplest way: without lanes, turns, indexes or any look that is left out.

use std::collections::BTreeMap;

use uuid::Uuid;

/// Not a multiple of `TICK`: a lease never ends at the very moment to which the clock is moved.
pub const LEASE: i64 = 3_200;
/// The clock moves by multiples of this. Real time passes as well, and has to stay far below it between two moves.
pub const TICK: i64 = 500;
/// Of so many in one worker no places are kept from a tenant (queue.pick).
pub const FEW: i64 = 4;
/// The token of what nobody has claimed.
pub const OFFERED: i64 = 0;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Since which statement.
    Ready(u64),
    Claimed {
        worker: String,
        token: i64,
        until: i64,
    },
    Waiting(Option<i64>),
    Paused,
    Ended(&'static str),
}

#[derive(Debug)]
pub struct Wait {
    pub node: String,
    pub is_delivered: bool,
}

#[derive(Debug)]
pub struct Execution {
    pub id: Uuid,
    pub tenant: u32,
    pub workflow: u32,
    pub priority: i32,
    pub place: Place,
    pub newest_token: i64,
    pub cancel_requested: bool,
    pub pause_requested: bool,
    pub is_woken: bool,
    /// Whether anything was recorded of it.
    pub has_begun: bool,
    pub waits: Vec<Wait>,
}

impl Execution {
    /// Whether a call with this token, by this worker, is to be accepted. The end of a lease alone changes nothing: somebody has to notice it.
    pub fn is_held(&self, by: &str, with: i64) -> bool {
        matches!(&self.place, Place::Claimed { worker, token, .. } if worker == by && *token == with)
    }

    pub fn wake(&mut self, statement: u64) {
        match self.place {
            Place::Waiting(_) => self.place = Place::Ready(statement),
            Place::Claimed { .. } => self.is_woken = true,
            _ => {}
        }
    }

    fn ready_since(&self) -> Option<u64> {
        match self.place {
            Place::Ready(statement) => Some(statement),
            _ => None,
        }
    }

    /// Who of a tenant comes first.
    fn rank(&self) -> Option<(i32, u64, Uuid)> {
        Some((-self.priority, self.ready_since()?, self.id))
    }
}

#[derive(Debug, Default)]
pub struct Tenant {
    pub is_active: bool,
    pub cap: Option<i64>,
    pub workflow_caps: BTreeMap<u32, Option<i64>>,
}

/// How many of which workflow of which tenant.
pub type Counts = BTreeMap<(u32, u32), i64>;

/// What a worker said at its last claim, and when it was heard of last.
#[derive(Debug)]
struct Report {
    seen: i64,
    held: Counts,
}

#[derive(Debug, Clone)]
pub struct Taken {
    pub execution: Uuid,
    pub token: i64,
    pub cancel_requested: bool,
    pub pause_requested: bool,
    pub signals: Vec<String>,
}

pub struct Claim<'a> {
    pub worker: &'a str,
    pub most: usize,
    pub kept: usize,
    pub held: &'a Counts,
}

#[derive(Debug, Default)]
pub struct Model {
    pub now: i64,
    pub statement: u64,
    pub tenants: BTreeMap<u32, Tenant>,
    pub executions: Vec<Execution>,
    by_id: BTreeMap<Uuid, usize>,
    reports: BTreeMap<String, Report>,
}

macro_rules! ensure {
    ($holds:expr, $($words:tt)*) => {
        if !$holds {
            return Err(format!($($words)*));
        }
    };
}
pub(crate) use ensure;

fn of_tenant(counts: &Counts, tenant: u32) -> i64 {
    counts
        .iter()
        .filter(|((of, _), _)| *of == tenant)
        .map(|(_, count)| count)
        .sum()
}

impl Model {
    pub fn add(&mut self, id: Uuid, tenant: u32, workflow: u32, priority: i32) {
        self.by_id.insert(id, self.executions.len());
        self.executions.push(Execution {
            id,
            tenant,
            workflow,
            priority,
            place: Place::Ready(self.statement),
            newest_token: OFFERED,
            cancel_requested: false,
            pause_requested: false,
            is_woken: false,
            has_begun: false,
            waits: Vec::new(),
        });
    }

    pub fn index(&self, id: Uuid) -> Result<usize, String> {
        self.by_id
            .get(&id)
            .copied()
            .ok_or_else(|| format!("nobody has enqueued {id}"))
    }

    pub fn heard_of(&mut self, worker: &str) {
        if let Some(report) = self.reports.get_mut(worker) {
            report.seen = self.now;
        }
    }

    /// Timers and leases that are over. Every claim after a move of the clock looks at both.
    fn make_due_ready(&mut self) {
        for execution in &mut self.executions {
            let is_due = match execution.place {
                Place::Claimed { until, .. } => until <= self.now,
                Place::Waiting(at) => at.is_some_and(|at| at <= self.now),
                _ => false,
            };
            if is_due {
                execution.place = Place::Ready(self.statement);
            }
        }
    }

    /// A claim has brought these: whether they were to be had, and whether there was more.
    pub fn claimed(&mut self, claim: &Claim<'_>, taken: &[Taken]) -> Result<(), String> {
        self.make_due_ready();
        ensure!(
            taken.len() <= claim.most,
            "{} were claimed, which is too many",
            taken.len()
        );
        let mut got = Counts::new();
        let mut indexes = Vec::new();
        for one in taken {
            let index = self.index(one.execution)?;
            ensure!(!indexes.contains(&index), "#{index} came twice");
            self.was_to_be_had(index, one)?;
            let execution = &self.executions[index];
            *got.entry((execution.tenant, execution.workflow))
                .or_default() += 1;
            indexes.push(index);
        }
        let mut counted = self.counted(claim);
        for (of, count) in &got {
            *counted.entry(*of).or_default() += count;
        }
        self.came_in_order(&indexes, &counted)?;
        self.kept_places(claim, &got)?;
        self.nothing_was_left(claim, &indexes, &got, &counted)?;
        self.hold(claim.worker, taken, &indexes);
        self.caps_hold(&got)?;

        let mut held = claim.held.clone();
        for (of, count) in got {
            *held.entry(of).or_default() += count;
        }
        let seen = self.now;
        self.reports
            .insert(claim.worker.to_owned(), Report { seen, held });
        Ok(())
    }

    /// Whether whoever was told of it may have it by a record: nobody has had it, and there is no cap to be looked at.
    pub fn is_for_the_first(&self, index: usize) -> bool {
        let execution = &self.executions[index];
        let tenant = &self.tenants[&execution.tenant];
        let is_capped = tenant.cap.is_some() || tenant.workflow_caps[&execution.workflow].is_some();
        let is_new = execution.ready_since().is_some() && execution.newest_token == OFFERED;
        is_new && !execution.has_begun && tenant.is_active && !is_capped
    }

    /// The first record of it goes on, so its worker has it now.
    pub fn taken(&mut self, worker: &str, index: usize) {
        let execution = &mut self.executions[index];
        execution.place = Place::Claimed {
            worker: worker.to_owned(),
            token: OFFERED,
            until: self.now + LEASE,
        };
        let seen = self.now;
        let report = self.reports.entry(worker.to_owned());
        let report = report.or_insert_with(|| Report {
            seen,
            held: Counts::new(),
        });
        report.seen = seen;
        *report
            .held
            .entry((execution.tenant, execution.workflow))
            .or_default() += 1;
    }

    fn was_to_be_had(&self, index: usize, one: &Taken) -> Result<(), String> {
        let execution = &self.executions[index];
        ensure!(
            execution.ready_since().is_some(),
            "#{index} was claimed, but it is {:?}",
            execution.place
        );
        ensure!(
            self.tenants[&execution.tenant].is_active,
            "#{index} was claimed, but its tenant is suspended"
        );
        ensure!(
            one.token > execution.newest_token,
            "#{index} was claimed with token {}, after {}",
            one.token,
            execution.newest_token
        );
        ensure!(
            (one.cancel_requested, one.pause_requested)
                == (execution.cancel_requested, execution.pause_requested),
            "#{index}: the claim does not know what was asked for"
        );
        let came: Vec<_> = execution
            .waits
            .iter()
            .filter(|wait| wait.is_delivered)
            .map(|wait| wait.node.clone())
            .collect();
        ensure!(
            one.signals == came,
            "#{index}: {came:?} came for it, the claim brought {:?}",
            one.signals
        );
        Ok(())
    }

    /// As many as the queue may at most believe to be running, before the claim.
    fn counted(&self, claim: &Claim<'_>) -> Counts {
        let others = self.reports.iter().filter(|(worker, report)| {
            worker.as_str() != claim.worker && report.seen + LEASE > self.now
        });
        let mut counted = claim.held.clone();
        for (of, count) in others.flat_map(|(_, report)| &report.held) {
            *counted.entry(*of).or_default() += count;
        }
        counted
    }

    fn workflow_is_full(&self, tenant: u32, workflow: u32, counted: &Counts) -> bool {
        self.tenants[&tenant].workflow_caps[&workflow]
            .is_some_and(|cap| counted.get(&(tenant, workflow)).is_some_and(|n| *n >= cap))
    }

    fn came_in_order(&self, indexes: &[usize], counted: &Counts) -> Result<(), String> {
        for (left, execution) in self.executions.iter().enumerate() {
            let Some(rank) = execution.rank().filter(|_| !indexes.contains(&left)) else {
                continue;
            };
            if self.workflow_is_full(execution.tenant, execution.workflow, counted) {
                continue;
            }
            for index in indexes {
                let other = &self.executions[*index];
                ensure!(
                    other.tenant != execution.tenant || other.rank() < Some(rank),
                    "#{index} was claimed before #{left}, which is more urgent or older"
                );
            }
        }
        Ok(())
    }

    fn kept_places(&self, claim: &Claim<'_>, got: &Counts) -> Result<(), String> {
        let mut beyond = 0;
        for tenant in self.tenants.keys() {
            let few = (FEW - of_tenant(claim.held, *tenant)).max(0);
            beyond += (of_tenant(got, *tenant) - few).max(0);
        }
        ensure!(
            claim.kept == 0 || beyond <= (claim.most - claim.kept) as i64,
            "{beyond} were claimed for tenants that have more than a few"
        );
        Ok(())
    }

    fn nothing_was_left(
        &self,
        claim: &Claim<'_>,
        indexes: &[usize],
        got: &Counts,
        counted: &Counts,
    ) -> Result<(), String> {
        if indexes.len() == claim.most {
            return Ok(());
        }
        for (left, execution) in self.executions.iter().enumerate() {
            let tenant = &self.tenants[&execution.tenant];
            if execution.ready_since().is_none() || indexes.contains(&left) || !tenant.is_active {
                continue;
            }
            let has_few =
                of_tenant(claim.held, execution.tenant) + of_tenant(got, execution.tenant) < FEW;
            let is_full = tenant
                .cap
                .is_some_and(|cap| of_tenant(counted, execution.tenant) >= cap)
                || self.workflow_is_full(execution.tenant, execution.workflow, counted);
            ensure!(
                is_full || (claim.kept > 0 && !has_few),
                "#{left} is ready and was left, though there was room"
            );
        }
        Ok(())
    }

    fn hold(&mut self, worker: &str, taken: &[Taken], indexes: &[usize]) {
        for (one, index) in taken.iter().zip(indexes) {
            let execution = &mut self.executions[*index];
            execution.newest_token = one.token;
            execution.is_woken = false;
            execution.place = Place::Claimed {
                worker: worker.to_owned(),
                token: one.token,
                until: self.now + LEASE,
            };
        }
    }

    /// Where something was claimed, no more is running than may.
    fn caps_hold(&self, got: &Counts) -> Result<(), String> {
        let mut running = Counts::new();
        for execution in &self.executions {
            if matches!(execution.place, Place::Claimed { until, .. } if until > self.now) {
                *running
                    .entry((execution.tenant, execution.workflow))
                    .or_default() += 1;
            }
        }
        for (tenant, workflow) in got.keys() {
            let caps = &self.tenants[tenant];
            let of_workflow = running[&(*tenant, *workflow)];
            let of_tenant = of_tenant(&running, *tenant);
            ensure!(
                caps.cap.is_none_or(|cap| of_tenant <= cap),
                "{of_tenant} of tenant {tenant} are running, its cap is {:?}",
                caps.cap
            );
            ensure!(
                caps.workflow_caps[workflow].is_none_or(|cap| of_workflow <= cap),
                "{of_workflow} of workflow {workflow} of tenant {tenant} are running, its cap is {:?}",
                caps.workflow_caps[workflow]
            );
        }
        Ok(())
    }
}
