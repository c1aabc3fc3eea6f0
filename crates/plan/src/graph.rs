//! The derivation graph, as far as planning needs it.

/// What runs a derivation's build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuilderKind {
    /// A program, in the sandbox.
    Program,
    /// `builtin:fetchurl`, inside our process.
    Fetch {
        /// What is fetched.
        url: String,
    },
    /// Another `builtin:` builder, inside our process.
    Builtin(String),
}

/// One output of a derivation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// `out`, `dev`, …
    pub name: String,
    /// Its store path, absolute.
    pub path: String,
}

/// A derivation that another one needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Index into [`Graph::nodes`].
    pub node: usize,
    /// The names of the outputs that are needed.
    pub outputs: Vec<String>,
}

/// A derivation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivationFacts {
    /// Its store path, absolute, ending in `.drv`.
    pub path: String,
    /// Its name, such as `hello-2.10`.
    pub name: String,
    /// The `system` it asks for.
    pub system: String,
    /// What runs its build.
    pub builder: BuilderKind,
    /// All its outputs.
    pub outputs: Vec<Output>,
    /// The derivations it needs.
    pub inputs: Vec<Input>,
    /// `requiredSystemFeatures`
    pub required_features: Vec<String>,
    /// Whether it is quicker built here than sent elsewhere (`preferLocalBuild`).
    pub prefer_local: bool,
    /// The GNU configuration triple of its host platform, if it cross-compiles
    /// (`crossConfig` in its environment).
    pub cross_config: Option<String>,
}

/// Derivations with what they need, and which of them are asked for.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// All derivations, each once.
    pub nodes: Vec<DerivationFacts>,
    /// What is asked for.
    pub roots: Vec<Input>,
}
