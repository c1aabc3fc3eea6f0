//! The derivation graph of what is asked for, as far as it is not built.

use saltire_plan::{BuilderKind, DerivationFacts, Graph, Input, Known, Output, Substitute};
use saltire_store::{Store, StoreError};
use saltire_store_model::{Derivation, Hash, StorePath};
use std::collections::HashMap;
use std::sync::Arc;

/// A derivation and the outputs of it that are wanted; none named means all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The `.drv`.
    pub derivation: StorePath,
    /// Names of outputs.
    pub outputs: Vec<String>,
}

/// The graph with the derivations of its nodes.
pub(crate) struct Loaded {
    pub graph: Graph,
    pub known: Known,
    /// By node: path and contents.
    pub derivations: Vec<(StorePath, Arc<Derivation>)>,
}

/// Where what is not in the graph is known from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// Reads a derivation.
    pub read: &'a dyn Fn(&StorePath) -> Result<Arc<Derivation>, StoreError>,
    /// Whether a download with this hash is here.
    pub is_cached: &'a dyn Fn(&Hash) -> bool,
    /// Which of these paths binary caches offer.
    pub offers: &'a dyn Fn(&[StorePath]) -> HashMap<String, Substitute>,
    /// Also where a derivation says `allowSubstitutes = false`.
    pub always_substitute: bool,
}

/// Loads what is wanted and, where outputs are missing that no binary cache offers,
/// what that needs.
pub(crate) fn load(store: &Store, wanted: &[Wanted], sources: Sources<'_>) -> Result<Loaded, StoreError> {
    let mut loader = Loader {
        store,
        sources,
        indices: HashMap::new(),
        loaded: Loaded { graph: Graph::default(), known: Known::default(), derivations: Vec::new() },
    };
    for one in wanted {
        let node = loader.node(&one.derivation)?;
        loader.loaded.graph.roots.push(Input { node, outputs: one.outputs.clone() });
    }
    // Nodes are expanded in the order of their numbers, which grow meanwhile. Caches
    // are asked for all that are there at a time.
    let mut next = 0;
    while next < loader.loaded.graph.nodes.len() {
        let end = loader.loaded.graph.nodes.len();
        let found = (sources.offers)(&loader.missing(next..end)?);
        loader.loaded.known.substitutable.extend(found);
        for node in next..end {
            loader.expand(node)?;
        }
        next = end;
    }
    Ok(loader.loaded)
}

struct Loader<'a> {
    store: &'a Store,
    sources: Sources<'a>,
    indices: HashMap<StorePath, usize>,
    loaded: Loaded,
}

impl Loader<'_> {
    /// The node of a derivation, made if it is new; its inputs come later.
    fn node(&mut self, path: &StorePath) -> Result<usize, StoreError> {
        if let Some(&index) = self.indices.get(path) {
            return Ok(index);
        }
        let derivation = (self.sources.read)(path)?;
        let outputs = derivation.output_paths(self.store.store_dir())?;
        let valid = self.store.query_valid(outputs.values())?;
        self.loaded.known.valid.extend(valid.iter().map(|path| self.store.display(path)));
        let facts = facts(self.store, path, &derivation, &outputs);
        if let Some(address) = derivation.fixed_output()
            && (self.sources.is_cached)(&address.hash)
        {
            self.loaded.known.downloaded.insert(facts.path.clone());
        }
        let index = self.loaded.graph.nodes.len();
        self.loaded.graph.nodes.push(facts);
        self.loaded.derivations.push((path.clone(), derivation));
        self.indices.insert(path.clone(), index);
        Ok(index)
    }

    /// The missing outputs of some nodes that may come from caches.
    fn missing(&self, nodes: std::ops::Range<usize>) -> Result<Vec<StorePath>, StoreError> {
        let mut missing = Vec::new();
        for node in nodes {
            let derivation = &self.loaded.derivations[node].1;
            let forbids = derivation.environment.get(b"allowSubstitutes".as_slice());
            if forbids.is_some_and(|value| value.is_empty()) && !self.sources.always_substitute {
                continue;
            }
            let outputs = derivation.output_paths(self.store.store_dir())?.into_values();
            let is_missing = |path: &StorePath| !self.loaded.known.valid.contains(&self.store.display(path));
            missing.extend(outputs.filter(is_missing));
        }
        Ok(missing)
    }

    /// Adds a node's inputs, unless all its outputs are there or are offered.
    fn expand(&mut self, index: usize) -> Result<(), StoreError> {
        let Known { valid, substitutable, .. } = &self.loaded.known;
        let is_there = |path: &String| valid.contains(path) || substitutable.contains_key(path);
        if self.loaded.graph.nodes[index].outputs.iter().all(|output| is_there(&output.path)) {
            return Ok(());
        }
        let derivation = Arc::clone(&self.loaded.derivations[index].1);
        let mut inputs = Vec::new();
        for (path, outputs) in &derivation.input_derivations {
            let node = self.node(path)?;
            inputs.push(Input { node, outputs: outputs.iter().cloned().collect() });
        }
        self.loaded.graph.nodes[index].inputs = inputs;
        Ok(())
    }
}

pub(crate) fn facts(
    store: &Store,
    path: &StorePath,
    derivation: &Derivation,
    outputs: &std::collections::BTreeMap<String, StorePath>,
) -> DerivationFacts {
    let text = |name: &str| {
        let value = derivation.environment.get(name.as_bytes());
        value.map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    let builder = match derivation.builder.strip_prefix(b"builtin:") {
        None => BuilderKind::Program,
        Some(b"fetchurl") => {
            let urls = format!("{} {}", text("url"), text("urls"));
            BuilderKind::Fetch { url: urls.split_whitespace().next().unwrap_or_default().to_owned() }
        }
        Some(other) => BuilderKind::Builtin(String::from_utf8_lossy(other).into_owned()),
    };
    let cross_config = Some(text("crossConfig")).filter(|triple| !triple.is_empty());
    DerivationFacts {
        path: store.display(path),
        name: derivation.name.clone(),
        system: String::from_utf8_lossy(&derivation.system).into_owned(),
        builder,
        outputs: outputs
            .iter()
            .map(|(name, path)| Output { name: name.clone(), path: store.display(path) })
            .collect(),
        inputs: Vec::new(),
        required_features: text("requiredSystemFeatures").split_whitespace().map(str::to_owned).collect(),
        prefer_local: text("preferLocalBuild") == "1",
        cross_config,
    }
}
