//! `manifest.json`, version 3: the packages of a `nix profile`.

use super::environment::{Problem, USUAL_PRIORITY, add_with_references, link_packages};
use super::{Profile, file_failed};
use saltire_driver::{Error, Session, StorePath};
use saltire_terminal::Failure;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where a package of a flake comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlakeSource {
    /// What the user named.
    pub original: String,
    /// The version.
    pub locked: String,
    /// The attribute path.
    pub attribute: String,
    /// The outputs; `None` for those that the package wants to be installed.
    pub outputs: Option<Vec<String>>,
}

/// A package of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its store paths.
    pub paths: BTreeSet<StorePath>,
    /// Where it comes from, if that is a flake.
    pub source: Option<FlakeSource>,
    /// Whether it is to be seen.
    pub active: bool,
    /// A lower number wins.
    pub priority: i64,
}

/// The packages of a profile by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elements(pub BTreeMap<String, Element>);

impl Elements {
    /// Those of a profile; none if there is no profile yet.
    pub fn read(session: &Session, profile: &Profile) -> Result<Self, Failure> {
        match profile.files(session) {
            Some(files) => Self::read_from(session, &files, &profile.link),
            None => Ok(Self::default()),
        }
    }

    /// Those of a generation; `shown` is for messages.
    pub fn read_from(session: &Session, files: &Path, shown: &Path) -> Result<Self, Failure> {
        let manifest = files.join("manifest.json");
        let text = match std::fs::read_to_string(&manifest) {
            Ok(text) => text,
            Err(_) if files.join("manifest.nix").symlink_metadata().is_ok() => {
                return Err(Failure::new(format_args!(
                    "profile '{}' is incompatible with 'nix profile'; please use 'nix-env' instead",
                    shown.display()
                )));
            }
            Err(_) => return Ok(Self::default()),
        };
        let wrong = |reason: &str| {
            Failure::new(format_args!("the manifest of profile '{}' is wrong: {reason}", shown.display()))
        };
        let value: Json = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
        let version = value.get("version").and_then(Json::as_u64);
        let elements = value.get("elements");
        let all: Vec<(Option<String>, &Json)> = match (version, elements) {
            (Some(3), Some(Json::Object(map))) => {
                map.iter().map(|(name, element)| (Some(name.clone()), element)).collect()
            }
            (Some(1 | 2), Some(Json::Array(list))) => list.iter().map(|element| (None, element)).collect(),
            _ => return Err(wrong(&format!("unsupported version {}", version.unwrap_or(0)))),
        };
        let mut found = Self::default();
        for (name, element) in all {
            let element = parse(session, element).ok_or_else(|| wrong("an element is malformed"))?;
            let name = name.unwrap_or_else(|| element.usual_name());
            found.add(name, element);
        }
        Ok(found)
    }

    /// Adds an element under a name, with a number behind it if that is taken; the name.
    pub fn add(&mut self, name: String, element: Element) -> String {
        let numbered = (1..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        let free = names.find(|name| !self.0.contains_key(name)).unwrap_or(name);
        self.0.insert(free.clone(), element);
        free
    }

    /// The text of the manifest.
    pub fn to_json(&self, session: &Session) -> Json {
        let element = |element: &Element| {
            let paths: Vec<String> = element.paths.iter().map(|path| session.store().display(path)).collect();
            let mut object =
                json!({ "active": element.active, "priority": element.priority, "storePaths": paths });
            if let (Some(source), Some(object)) = (&element.source, object.as_object_mut()) {
                object.insert("originalUrl".into(), json!(source.original));
                object.insert("url".into(), json!(source.locked));
                object.insert("attrPath".into(), json!(source.attribute));
                object.insert("outputs".into(), json!(source.outputs));
                object.sort_keys();
            }
            object
        };
        let elements: Map<String, Json> =
            self.0.iter().map(|(name, one)| (name.clone(), element(one))).collect();
        json!({ "elements": elements, "version": 3 })
    }

    /// Makes a store path of the packages.
    pub fn build(&self, session: &Session) -> Result<StorePath, Failure> {
        let directory = tempfile::tempdir().map_err(file_failed("write to", &std::env::temp_dir()))?;
        let place = directory.path().join("profile");
        std::fs::create_dir(&place).map_err(file_failed("create", &place))?;
        let mut packages = Vec::new();
        let mut references = BTreeSet::new();
        for element in self.0.values() {
            for path in &element.paths {
                if element.active {
                    packages.push((session.store().display(path), element.priority));
                }
                references.insert(path.clone());
            }
        }
        link_packages(session, &packages, &place).map_err(|problem| self.explain(session, problem))?;
        let manifest = place.join("manifest.json");
        std::fs::write(&manifest, self.to_json(session).to_string())
            .map_err(file_failed("write", &manifest))?;
        add_with_references(session, "profile", &place, references)
    }

    /// Says which packages are in each other's way, and what to do.
    fn explain(&self, session: &Session, problem: Problem) -> Failure {
        let conflict = match problem {
            Problem::Other(failure) => return failure,
            Problem::Conflict(conflict) => conflict,
        };
        let owner = |file: &Path| {
            let path = session.store().store_path_of(file);
            let owns = |element: &Element| path.as_ref().is_some_and(|path| element.paths.contains(path));
            self.0.iter().find(|(_, element)| owns(element)).map_or("?", |(name, _)| name)
        };
        let (first, second) = (owner(&conflict.first), owner(&conflict.second));
        let (before, after) = (conflict.priority - 1, conflict.priority + 1);
        Failure::new(format_args!(
            "two packages have the same file:\n  {} (of '{first}')\n  {} (of '{second}')",
            conflict.first.display(),
            conflict.second.display()
        ))
        .hint(format_args!("remove one: nix profile remove {first}"))
        .hint(format_args!(
            "or add one of them with another priority than {}: --priority {before} to be seen, --priority {after} to be hidden",
            conflict.priority
        ))
    }
}

fn parse(session: &Session, value: &Json) -> Option<Element> {
    let text = |name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
    let paths = value.get("storePaths")?.as_array()?.iter();
    let paths = paths.map(|path| session.parse(path.as_str()?).ok()).collect::<Option<_>>()?;
    let outputs = value.get("outputs").and_then(Json::as_array);
    let outputs = outputs
        .map(|names| names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect::<Vec<_>>());
    let source = text("url").filter(|url| !url.is_empty()).map(|locked| FlakeSource {
        original: text("originalUrl").or_else(|| text("originalUri")).unwrap_or_default(),
        locked,
        attribute: text("attrPath").unwrap_or_default(),
        outputs,
    });
    Some(Element {
        paths,
        source,
        active: value.get("active").and_then(Json::as_bool).unwrap_or(true),
        priority: value.get("priority").and_then(Json::as_i64).unwrap_or(USUAL_PRIORITY),
    })
}

/// Words of attribute paths that name no package.
const NO_NAMES: [&str; 9] = [
    "packages",
    "legacyPackages",
    "defaultPackage",
    "default",
    "apps",
    "devShells",
    "checks",
    "defaultApp",
    "devShell",
];

impl Element {
    /// A name for it: of its attribute path, else of its flake, else of its store path.
    pub fn usual_name(&self) -> String {
        if let Some(source) = &self.source {
            let last = source.attribute.rsplit('.').next().unwrap_or_default();
            let is_system = saltire_platforms_system(last);
            if !last.is_empty() && !NO_NAMES.contains(&last) && !is_system {
                return last.to_owned();
            }
            let url = source.original.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            if let Some(name) = url.rsplit(['/', ':']).next().filter(|name| !name.is_empty()) {
                return name.trim_end_matches(".git").to_owned();
            }
        }
        let name = self.paths.first().map_or("package", StorePath::name);
        crate::installable::package_name(name).0.to_owned()
    }

    /// The versions of its store paths.
    pub fn versions(&self) -> String {
        let versions: BTreeSet<&str> = self
            .paths
            .iter()
            .map(|path| crate::installable::package_name(path.name()).1)
            .filter(|version| !version.is_empty())
            .collect();
        versions.into_iter().collect::<Vec<_>>().join(", ")
    }
}

/// Whether a word is a system, such as `x86_64-linux`.
fn saltire_platforms_system(word: &str) -> bool {
    word.ends_with("-linux") || word.ends_with("-darwin")
}

/// Reads the elements of a generation's link.
pub fn of_link(session: &Session, link: &Path) -> Result<Elements, Failure> {
    let place = std::fs::read_link(link).map_err(|source| Error::File {
        action: "read",
        path: link.to_owned(),
        source,
    })?;
    Elements::read_from(session, &session.store().location().to_physical(&place), link)
}
