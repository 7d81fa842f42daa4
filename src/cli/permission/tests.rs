//! Each cause from the facts that lead to it.
//!
//! Must not know: this machine.

use super::facts::{SYS_PTRACE, Security, Side, compare, confining, deciding, side};
use super::*;

const ALL: u64 = u64::MAX;

fn user(user: u32) -> Side {
    Side {
        users: vec![user; 4],
        groups: vec![user; 4],
        effective: 0,
        permitted: 0,
    }
}

fn root() -> Side {
    Side {
        effective: ALL,
        permitted: ALL,
        ..user(0)
    }
}

fn facts(own: Side, process: Side) -> Facts {
    let owner = process.users[1];
    Facts {
        own,
        filter: Filter::Absent,
        tracer: None,
        scope: None,
        security: Security::default(),
        process: Some(Process {
            pid: 7,
            side: process,
            owner,
            namespace: Namespace::Same,
        }),
    }
}

#[test]
fn c009_another_users_process() {
    let other = Cause::OtherUser {
        pid: 7,
        user: 0,
        own: 1000,
    };
    assert_eq!(decide(&facts(user(1000), user(0))), other);
}

#[test]
fn c009_a_program_that_runs_set_user_id_is_another_users() {
    let mut raised = user(1000);
    raised.users[1] = 0;
    assert!(matches!(
        decide(&facts(user(1000), raised)),
        Cause::OtherUser { user: 0, .. }
    ));
}

#[test]
fn c009_c011_root_of_a_container_without_the_capability() {
    assert_eq!(decide(&facts(user(0), user(1000))), Cause::RootWithoutCapability);
}

#[test]
fn c009_a_process_that_protects_its_memory() {
    let mut facts = facts(user(1000), user(1000));
    facts.process.as_mut().expect("set above").owner = 0;
    assert_eq!(decide(&facts), Cause::NotDumpable { pid: 7 });
}

#[test]
fn c009_a_process_with_more_capabilities() {
    let mut able = user(1000);
    able.permitted = 1;
    assert_eq!(
        decide(&facts(user(1000), able)),
        Cause::MoreCapabilities { pid: 7 }
    );
}

#[test]
fn c009_c010_each_scope_of_yama() {
    for (scope, cause) in [
        (1, Cause::OnlyDescendants),
        (2, Cause::OnlyCapability),
        (3, Cause::SwitchedOff),
    ] {
        let mut facts = facts(user(1000), user(1000));
        facts.scope = Some(scope);
        assert_eq!(decide(&facts), cause);
    }
    let mut own_child = facts(user(1000), user(1000));
    own_child.scope = Some(1);
    own_child.process = None;
    assert!(matches!(decide(&own_child), Cause::Forbidden { .. }));
}

#[test]
fn c009_another_user_namespace() {
    let mut facts = facts(root(), user(1000));
    facts.process.as_mut().expect("set above").namespace = Namespace::Other;
    assert_eq!(decide(&facts), Cause::OtherNamespace { pid: 7 });
}

#[test]
fn c009_c011_a_filter_of_system_calls() {
    let mut facts = facts(root(), user(1000));
    assert!(matches!(decide(&facts), Cause::Forbidden { .. }));
    facts.filter = Filter::Present;
    assert_eq!(decide(&facts), Cause::Filtered);
}

#[test]
fn root_that_may_everything_is_stopped_by_a_security_module_only() {
    let mut facts = facts(root(), root());
    facts.security.modules = deciding("lockdown,capability,landlock,bpf\n");
    let cause = decide(&facts);
    assert_eq!(
        cause,
        Cause::Forbidden {
            modules: vec!["landlock".into(), "bpf".into()]
        }
    );
    assert!(cause.to_string().contains("landlock or bpf"), "{cause}");
    facts.security.profile = confining("docker-default (enforce)\n");
    assert!(decide(&facts).to_string().contains("`docker-default`"));
    assert_eq!(confining("unconfined\n"), None);
}

#[test]
fn another_group_of_the_same_user() {
    let mut other = user(1000);
    other.groups[2] = 4;
    let cause = Cause::OtherGroup { pid: 7, group: 4 };
    assert_eq!(decide(&facts(user(1000), other)), cause);
}

#[test]
fn a_namespace_whose_link_cannot_be_read_is_told_by_its_map() {
    let (own, other) = ((Some(1), Some("0 0 4294967295")), (None, Some("0 1000 1")));
    assert_eq!(compare(&own, &other), Namespace::Other);
    assert_eq!(compare(&own, &(None, Some("0 0 4294967295"))), Namespace::Same);
    assert_eq!(compare(&own, &(Some(1), Some("0 1000 1"))), Namespace::Same);
    assert_eq!(compare(&own, &(None, None)), Namespace::Same);
}

#[test]
fn a_status_file_gives_users_and_capabilities() {
    let text = "Name:\tUid: 1\nUid:\t1000\t0\t0\t0\nGid:\t7\t7\t7\t8\nCapPrm:\t00000000000000ff\nCapEff:\t0000000000080000\n";
    let expected = Side {
        users: vec![1000, 0, 0, 0],
        groups: vec![7, 7, 7, 8],
        effective: SYS_PTRACE,
        permitted: 0xFF,
    };
    assert_eq!(side(text), expected);
    assert_eq!(side(""), Side::default());
}

#[test]
fn c106_a_tracer_of_lineprof_that_follows_its_children() {
    let mut facts = facts(root(), user(1000));
    facts.tracer = Some(8);
    assert!(
        matches!(decide(&facts), Cause::Forbidden { .. }),
        "of a process that lineprof did not start"
    );
    facts.process = None;
    assert_eq!(decide(&facts), Cause::ChildrenTraced { by: 8 });
}
