//! What threads did without a stop: what the tracer tells of its sites, in the recorder's words.
//!
//! Must not know: how sites are run, what is made of it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use lineprof_tracer::{
    BeginsLine, Conventions, NotInline, Passage, Refused, RemoteRange, RoutineRequest, RoutineSite, SiteId,
    SiteRole,
};

use crate::image::LoadBias;
use crate::plan::{Allocation, Exit, InstanceId, Movable, Plan, SiteIndex};
use crate::profile;
use crate::recorder::{
    Arrival, Begun, Concurrency, Exits, Place, Recorder, Resumed, StackKey, StackPointer, Step, Stretch,
    ThreadKey,
};
use crate::units::Bytes;

/// The functions whose sites were all planted.
pub(super) fn routines(
    plan: &Plan,
    sites: &Range<u32>,
    bias: LoadBias,
    answers: &[Result<SiteId, Refused>],
) -> Vec<RoutineRequest> {
    let mut by_instance: HashMap<InstanceId, Option<Vec<RoutineSite>>> = HashMap::new();
    for (index, answer) in sites.clone().map(SiteIndex).zip(answers) {
        let site = plan.site(index);
        let of_instance = by_instance
            .entry(site.instance)
            .or_insert_with(|| Some(Vec::new()));
        match (answer, of_instance.as_mut()) {
            (Ok(id), Some(of_instance)) => of_instance.push(RoutineSite {
                site: *id,
                line: if site.lines.is_empty() {
                    BeginsLine::No
                } else {
                    BeginsLine::Yes
                },
                role: match (site.exit, site.entry) {
                    (Exit::Always, _) => SiteRole::Exit,
                    (Exit::Conditional, _) => SiteRole::MayExit,
                    (Exit::Never, true) => SiteRole::Entry,
                    (Exit::Never, false) => SiteRole::Middle,
                },
            }),
            (Ok(_), None) => {}
            (Err(_), _) => *of_instance = None,
        }
    }
    let mut routines: Vec<(InstanceId, Vec<RoutineSite>)> = by_instance
        .into_iter()
        .filter_map(|(instance, sites)| Some((instance, sites?)))
        .collect();
    routines.sort_by_key(|(instance, _)| *instance);
    let request = |(instance, sites): (InstanceId, Vec<RoutineSite>)| {
        let instance = plan.instance(instance);
        let (pads, fixed) = match &instance.movable {
            Movable::Yes(pads) => (pads.as_slice(), None),
            Movable::UnknownPads => (&[][..], Some(NotInline::UnknownPads)),
            Movable::Restartable => (&[][..], Some(NotInline::Restartable)),
            Movable::HasData => (&[][..], Some(NotInline::HasData)),
        };
        let ranges = instance.ranges.iter().map(|range| RemoteRange {
            start: bias.remote(range.start),
            end: bias.remote(range.end),
        });
        RoutineRequest {
            ranges: ranges.collect(),
            sites,
            landing_pads: pads.iter().map(|pad| bias.remote(*pad)).collect(),
            conventions: match (instance.allocation, instance.optimised) {
                (Allocation::Across, _) => Conventions::Agreed,
                (Allocation::ByFunction, true) => Conventions::Optimised,
                (Allocation::ByFunction, false) => Conventions::Standard,
            },
            fixed,
        }
    };
    routines.into_iter().map(request).collect()
}

/// Gives a passage to the recorder but for the arrival at its end, which is returned.
pub(super) fn take(
    recorder: &mut Recorder,
    plan: &Plan,
    passage: &Passage,
    site: impl Fn(SiteId) -> Option<SiteIndex>,
) -> Option<Arrival> {
    let thread = ThreadKey(u64::from(passage.thread.serial));
    let concurrency = if passage.shared {
        Concurrency::Shared
    } else {
        Concurrency::Alone
    };
    let place = |at: lineprof_tracer::Standing| {
        Some(Place {
            previous: passed(at.passed, &site)?,
            // Not where it came to last: at an exit that may not be taken, the frame would be taken to be gone.
            latest: site(at.entry)?,
            sp: StackPointer(at.sp.0),
        })
    };
    let steps: Vec<(Step, u64)> = passage
        .steps
        .iter()
        .filter_map(|(counted, times)| Some((step(plan, *counted, &site)?, *times)))
        .collect();
    let begin = |begun: &lineprof_tracer::Begun| {
        Some(Begun {
            entry_sp: StackPointer(begun.entry_sp.0),
            place: place(begun.stands)?,
        })
    };
    let begun: Vec<Begun> = passage.begun.iter().filter_map(begin).collect();
    let resume = |resumed: lineprof_tracer::Resumed| {
        Some(Resumed {
            entry_sp: resumed.entry_sp.map(|sp| StackPointer(sp.0)),
            place: place(resumed.stands)?,
        })
    };
    recorder.passed(&Stretch {
        thread,
        stack: StackKey::THREAD,
        memory: Bytes(passage.memory),
        concurrency,
        steps: &steps,
        ended: passage.ended.map(|sp| StackPointer(sp.0)),
        resumed: passage.resumed.and_then(resume),
        begun: &begun,
    });
    let arrived = passage.arrived?;
    Some(Arrival {
        thread,
        stack: StackKey::THREAD,
        site: site(arrived.site)?,
        sp: StackPointer(arrived.sp.0),
        entry_sp: None,
        memory: Bytes(arrived.memory),
        concurrency,
        exits: match arrived.exits {
            lineprof_tracer::Exits::AsPlanned => Exits::AsPlanned,
            lineprof_tracer::Exits::Later => Exits::Later,
        },
    })
}

fn step(
    plan: &Plan,
    counted: lineprof_tracer::Step,
    site: impl Fn(SiteId) -> Option<SiteIndex>,
) -> Option<Step> {
    use lineprof_tracer::Step as Counted;
    Some(match counted {
        Counted::Into {
            previous: None,
            site: to,
        } if plan.site(site(to)?).entry => Step::Call { entry: site(to)? },
        Counted::Into { previous, site: to } => Step::Within {
            previous: passed(previous, &site)?,
            site: site(to)?,
        },
        Counted::Out { previous, site: at } => Step::Out {
            previous: passed(previous, &site)?,
            site: site(at)?,
        },
    })
}

/// The last site with a line that a frame passed; the outer `None` where it is none of the plan's.
fn passed(last: Option<SiteId>, site: impl Fn(SiteId) -> Option<SiteIndex>) -> Option<Option<SiteIndex>> {
    last.map_or(Some(None), |last| site(last).map(Some))
}

/// The reasons, with the number of sites of each.
pub(super) fn not_inline(sites: &[(SiteId, NotInline)]) -> Vec<profile::NotInline> {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for (_, reason) in sites {
        *counted.entry(reason.to_string()).or_default() += 1;
    }
    let row = |(reason, sites)| profile::NotInline { reason, sites };
    counted.into_iter().map(row).collect()
}
