use super::*;
use crate::graph::{Input, Output};

/// A graph from lines "name system builder <- input input", the last one the root.
fn graph(text: &str) -> Graph {
    let mut nodes: Vec<DerivationFacts> = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (head, inputs) = line.split_once(" <- ").unwrap_or((line, ""));
        let words: Vec<&str> = head.split_whitespace().collect();
        let mut facts = DerivationFacts {
            path: format!("/s/{}.drv", words[0]),
            name: words[0].into(),
            system: words[1].into(),
            builder: BuilderKind::Program,
            outputs: vec![Output { name: "out".into(), path: format!("/s/{}", words[0]) }],
            inputs: Vec::new(),
            required_features: Vec::new(),
            prefer_local: false,
            cross_config: None,
        };
        for word in &words[2..] {
            match word.split_once('=') {
                Some(("cross", triple)) => facts.cross_config = Some(triple.into()),
                None if *word == "local" => facts.prefer_local = true,
                Some(("feature", feature)) => facts.required_features.push(feature.into()),
                Some(("fetch", url)) => facts.builder = BuilderKind::Fetch { url: url.into() },
                Some(("builtin", name)) => facts.builder = BuilderKind::Builtin(name.into()),
                other => panic!("{other:?}"),
            }
        }
        for input in inputs.split_whitespace() {
            let node = nodes.iter().position(|n| n.name == input).unwrap();
            facts.inputs.push(Input { node, outputs: vec!["out".into()] });
        }
        nodes.push(facts);
    }
    let roots = vec![Input { node: nodes.len() - 1, outputs: Vec::new() }];
    Graph { nodes, roots }
}

fn machine() -> Machine {
    Machine {
        system: "x86_64-linux".into(),
        extra_systems: ["i686-linux".to_owned()].into(),
        emulators: [("riscv64-linux".to_owned(), "qemu-riscv64".to_owned())].into(),
        no_emulation: None,
        features: ["big-parallel".to_owned()].into(),
        no_network: None,
        builds_here: true,
        remote: Vec::new(),
    }
}

fn show(plan: &Plan) -> String {
    let mut text = String::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let after = step.after.iter().map(|i| format!(" {i}")).collect::<String>();
        text += &format!("{index} {} {} ({}) after{after}\n", step.name, step.method, step.reason);
    }
    for problem in &plan.problems {
        text += &format!("{}: {} [{}]\n", problem.derivation, problem.message, problem.hint);
    }
    text
}

#[track_caller]
fn check(text: &str, known: &Known, machine: &Machine, expected: &str) {
    assert_eq!(show(&plan(&graph(text), known, machine, Policy::default())), expected);
}

#[test]
fn each_kind_of_derivation_has_its_method() {
    check(
        "deb builtin fetch=mirror://debian/a.deb
         seed builtin builtin=unpack-deb <- deb
         make x86_64-linux <- seed
         hello x86_64-linux cross=riscv64-unknown-linux-gnu feature=emulate-riscv64-linux <- make seed
         image riscv64-linux <- hello
         old i686-linux <- image",
        &Known::default(),
        &machine(),
        "0 deb fetch (pinned by hash, from mirror://debian/a.deb) after\n\
         1 seed builtin ('unpack-deb' runs inside saltire, on any machine) after 0\n\
         2 make native (x86_64-linux is this machine's own system) after 1\n\
         3 hello cross (x86_64-linux tools that build for riscv64-unknown-linux-gnu; qemu-riscv64 runs what it makes) after 1 2\n\
         4 image emulate (wants riscv64-linux, this machine is x86_64-linux; qemu-riscv64 runs its tools) after 3\n\
         5 old native (this x86_64-linux machine runs i686-linux programs itself) after 4\n",
    );
}

#[test]
fn what_is_there_needs_no_step_and_hides_its_inputs() {
    let known = Known { valid: ["/s/make".to_owned()].into(), ..Known::default() };
    check(
        "seed builtin builtin=unpack-deb
         make x86_64-linux <- seed
         hello x86_64-linux <- make",
        &known,
        &machine(),
        "0 hello native (x86_64-linux is this machine's own system) after\n",
    );
}

#[test]
fn a_cache_spares_the_build_and_its_inputs() {
    let substitute = Substitute { cache: "https://cache.example".into(), download_size: 1 };
    let known = Known { substitutable: [("/s/hello".to_owned(), substitute)].into(), ..Known::default() };
    check(
        "make x86_64-linux
         hello x86_64-linux <- make
         env x86_64-linux <- hello",
        &known,
        &machine(),
        "0 hello substitute (https://cache.example has it) after\n\
         1 env native (x86_64-linux is this machine's own system) after 0\n",
    );
}

#[test]
fn a_machine_that_can_not_emulate_says_why() {
    let machine = Machine { no_emulation: Some("the kernel is older than 6.7".into()), ..machine() };
    check(
        "hello riscv64-linux",
        &Known::default(),
        &machine,
        "0 hello native (can't be done) after\n\
         /s/hello.drv: 'hello' is to be run by riscv64-linux tools, and this machine is x86_64-linux; \
         nothing can be emulated: the kernel is older than 6.7 ['saltire doctor' says what is missing]\n",
    );
}

#[test]
fn unknown_systems_and_features_are_problems() {
    let text = show(&plan(&graph("a vax-linux"), &Known::default(), &machine(), Policy::default()));
    assert!(text.contains("there is no emulator for vax-linux"), "{text}");
    let text =
        show(&plan(&graph("a x86_64-linux feature=kvm"), &Known::default(), &machine(), Policy::default()));
    assert!(text.contains("requires the system feature 'kvm'"), "{text}");
}

#[test]
fn offline_only_the_download_cache_counts() {
    let machine = Machine { no_network: Some("'--offline' is set".into()), ..machine() };
    let deb = "deb builtin fetch=mirror://debian/a.deb";
    let known = Known { downloaded: ["/s/deb.drv".to_owned()].into(), ..Known::default() };
    check(deb, &known, &machine, "0 deb fetch (pinned by hash, and in the download cache) after\n");
    check(
        deb,
        &Known::default(),
        &machine,
        "0 deb native (can't be done) after\n\
         /s/deb.drv: mirror://debian/a.deb is not in the download cache and can't be fetched: '--offline' is set \
         [run the command once with a network, or leave out '--offline']\n",
    );
}

#[test]
fn a_chain_of_100000_derivations_does_not_overflow_the_stack() {
    let mut chain = graph("d0 x86_64-linux");
    for index in 1..100_000 {
        let mut next = chain.nodes[0].clone();
        next.path = format!("/s/d{index}.drv");
        next.outputs[0].path = format!("/s/d{index}");
        next.inputs = vec![Input { node: index - 1, outputs: Vec::new() }];
        chain.nodes.push(next);
    }
    chain.roots[0].node = 99_999;
    assert_eq!(plan(&chain, &Known::default(), &machine(), Policy::default()).steps.len(), 100_000);
}

fn with_remote(lines: &[&str]) -> Machine {
    let set = |word: Option<&str>| -> std::collections::BTreeSet<String> {
        word.unwrap_or_default().split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let remote = lines.iter().map(|line| {
        let mut words = line.split(' ');
        RemoteMachine {
            name: words.next().unwrap().to_owned(),
            systems: set(words.next()),
            features: set(words.next()),
            mandatory: set(words.next()),
        }
    });
    Machine { remote: remote.collect(), ..machine() }
}

#[track_caller]
fn check_remote(text: &str, machine: &Machine, via: Via, expected: &str) {
    let plan = plan(&graph(text), &Known::default(), machine, Policy { via });
    let otherwise = |step: &Step| match &step.otherwise {
        Some(way) => format!("{} else {}: {}\n", step.name, way.method, way.reason),
        None => String::new(),
    };
    assert_eq!(show(&plan) + &plan.steps.iter().map(otherwise).collect::<String>(), expected);
}

#[test]
fn other_machines_build_what_they_can() {
    let machine = with_remote(&["a x86_64-linux,riscv64-linux kvm", "b riscv64-linux"]);
    check_remote(
        "deb builtin fetch=http://d\nx x86_64-linux <- deb\ny riscv64-linux <- x\nz x86_64-linux feature=kvm <- y",
        &machine,
        Via::Auto,
        "0 deb fetch (pinned by hash, from http://d) after\n\
         1 x remote (a builds for x86_64-linux) after 0\n\
         2 y remote (a or one of 1 more builds for riscv64-linux) after 1\n\
         3 z remote (a builds for x86_64-linux with kvm) after 2\n\
         x else native: x86_64-linux is this machine's own system\n\
         y else emulate: wants riscv64-linux, this machine is x86_64-linux; qemu-riscv64 runs its tools\n",
    );
    check_remote(
        "x x86_64-linux",
        &machine,
        Via::Native,
        "0 x native (x86_64-linux is this machine's own system) after\n",
    );
}

#[test]
fn what_prefers_to_be_built_here_is_if_it_can() {
    let machine = with_remote(&["a x86_64-linux,armv6l-linux"]);
    check_remote(
        "x x86_64-linux local\ny armv6l-linux local <- x",
        &machine,
        Via::Auto,
        "0 x native (x86_64-linux is this machine's own system; 'preferLocalBuild' is set) after\n\
         1 y remote (a builds for armv6l-linux) after 0\n",
    );
}

#[test]
fn mandatory_features_keep_others_away() {
    let machine = with_remote(&["a x86_64-linux kvm extra"]);
    check_remote(
        "x x86_64-linux",
        &machine,
        Via::Auto,
        "0 x native (x86_64-linux is this machine's own system) after\n",
    );
    check_remote(
        "x x86_64-linux feature=extra",
        &machine,
        Via::Auto,
        "0 x remote (a builds for x86_64-linux with extra) after\n",
    );
}

#[test]
fn without_jobs_here_another_machine_is_needed() {
    let here = Machine { builds_here: false, ..with_remote(&["a x86_64-linux"]) };
    check_remote("x x86_64-linux", &here, Via::Auto, "0 x remote (a builds for x86_64-linux) after\n");
    check_remote(
        "x riscv64-linux",
        &here,
        Via::Auto,
        "0 x native (can't be done) after\n\
         /s/x.drv: 'x' needs a riscv64-linux machine: nothing may be built here, as 'max-jobs' is 0, and the setting 'builders' names none [set 'max-jobs' to more, or add a machine to 'builders']\n",
    );
    check_remote(
        "x riscv64-linux",
        &machine(),
        Via::Remote,
        "0 x native (can't be done) after\n\
         /s/x.drv: 'x' needs a riscv64-linux machine, and the setting 'builders' names none [add one to 'builders', or leave '--via remote' out]\n",
    );
}
