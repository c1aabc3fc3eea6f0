use std::sync::Arc;

use super::{DependencyKind, DependencyLog};
use crate::{Evaluator, FsHost, Host, HostResult, Settings, Value};

/// Notes which variables are asked for, by the number in their name.
struct Noting(FsHost, &'static DependencyLog);

impl Host for Noting {
    fn store_dir(&self) -> &saltire_store_model::StoreDir {
        self.0.store_dir()
    }
    fn read_file(&self, path: &[u8]) -> HostResult<Arc<[u8]>> {
        // Files are inputs from 100 on, by the number in their name.
        let number = path.iter().rev().find(|byte| byte.is_ascii_digit()).map_or(0, |byte| byte - b'0');
        self.1.note(super::Dependency::input(100 + u32::from(number)));
        self.0.read_file(path)
    }
    fn read_dir(&self, path: &[u8]) -> HostResult<Vec<(Vec<u8>, crate::FileType)>> {
        self.0.read_dir(path)
    }
    fn file_type(&self, path: &[u8]) -> HostResult<Option<crate::FileType>> {
        self.0.file_type(path)
    }
    fn resolve_symlinks(&self, path: &[u8]) -> HostResult<Vec<u8>> {
        self.0.resolve_symlinks(path)
    }
    fn current_system(&self) -> Option<String> {
        None
    }
    fn environment_variable(&self, name: &str) -> Option<String> {
        if let Ok(number) = name.parse() {
            self.1.note(super::Dependency::input(number));
        }
        Some(name.to_owned())
    }
    fn add_path(&self, request: crate::AddPath<'_>) -> HostResult<saltire_store_model::StorePath> {
        self.1.note(super::Dependency::input(200));
        self.0.add_path(request)
    }
    fn read_derivation(
        &self,
        path: &saltire_store_model::StorePath,
    ) -> HostResult<saltire_store_model::Derivation> {
        self.0.read_derivation(path)
    }
    fn realise(
        &self,
        elements: &[&crate::ContextElement],
    ) -> HostResult<std::collections::BTreeMap<String, String>> {
        self.0.realise(elements)
    }
}

fn evaluator() -> (Evaluator, &'static DependencyLog) {
    let log: &'static DependencyLog = Box::leak(Box::default());
    let settings = Settings { dependencies: Some(log), ..Settings::default() };
    (Evaluator::new(Arc::new(Noting(FsHost::new("x"), log)), settings), log)
}

/// The inputs that each member of a list depends on, evaluated in order.
fn members(evaluator: &mut Evaluator, log: &DependencyLog, list: Value) -> Vec<Vec<u32>> {
    let items: Vec<Value> = list.as_list().unwrap().iter().collect();
    let of_member = |item: Value| {
        let start = log.len();
        let _ = evaluator.force_deep(item);
        log.take(start).map(|dependency| log.inputs_of(dependency)).unwrap_or_default()
    };
    items.into_iter().map(of_member).collect()
}

fn check(text: &str, expected: &[&[u32]]) {
    let (mut evaluator, log) = evaluator();
    let list = evaluator.eval_str(text, b"/").unwrap();
    log.take(0);
    assert_eq!(members(&mut evaluator, log, list), expected, "{text}");
}

#[test]
fn a_result_depends_on_what_was_asked_for_it() {
    check(
        "[ (builtins.getEnv \"1\") (builtins.getEnv \"2\" + builtins.getEnv \"3\") 5 ]",
        &[&[1], &[2, 3], &[]],
    );
}

#[test]
fn whoever_uses_a_result_depends_on_what_it_depends_on() {
    let text = "let a = builtins.getEnv \"1\"; b = a + builtins.getEnv \"2\"; s = { inherit a b; c = 1; };
        in [ b s.a s.c [ s.b ] (with s; c + 1) (with s; b) (map (n: n + a) [ \"x\" ]) ]";
    check(text, &[&[1, 2], &[1], &[], &[1, 2], &[], &[1, 2], &[1]]);
}

#[test]
fn failures_are_depended_on_as_well() {
    let text = "let f = throw (builtins.getEnv \"1\"); in
        [ (builtins.tryEval f) (builtins.tryEval f) f (builtins.tryEval (f + \"\")) ]";
    check(text, &[&[1], &[1], &[1], &[1]]);
}

#[test]
fn what_is_read_once_is_depended_on_by_all() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("f1.nix"), "{ x = import ./f2.nix; y = 1; }").unwrap();
    std::fs::write(directory.path().join("f2.nix"), "2").unwrap();
    let path = directory.path().canonicalize().unwrap().display().to_string();
    check(
        &format!(
            "let f = import {path}/f1.nix; in [ f.y f.x f.x (import {path}/f2.nix) (import {path}/f1.nix).y ]"
        ),
        &[&[101], &[101, 102], &[101, 102], &[102], &[101]],
    );
    check(&format!("[ \"${{{path}/f2.nix}}\" \"${{{path}/f2.nix}}\" ]"), &[&[200], &[200]]);
}

#[test]
fn what_everything_depends_on_is_not_noted() {
    let (mut evaluator, log) = evaluator();
    let text = "let a = builtins.getEnv \"1\"; b = a + builtins.getEnv \"2\"; in [ b a b a (builtins.getEnv \"1\") ]";
    let list = evaluator.eval_str(text, b"/").unwrap();
    let items: Vec<Value> = list.as_list().unwrap().iter().collect();
    evaluator.force(items[0]).unwrap();
    let found = log.take(0).unwrap();
    assert!(matches!(found.kind(), DependencyKind::Node(_)));
    log.make_void(&[1]);
    assert_eq!(members(&mut evaluator, log, list), [vec![1, 2], vec![], vec![1, 2], vec![], vec![]]);
    log.make_void(&[2]);
    assert_eq!(members(&mut evaluator, log, list), [[0u32; 0]; 5]);
}
