//! Store paths that are named instead of packages.

use crate::error::Error;
use crate::graph::Wanted;
use crate::select::Target;
use crate::session::Session;
use saltire_plan::{Route, RouteChoice};
use saltire_platforms::Platform;
use saltire_store_model::{Derivation, StorePath};

impl Session {
    /// The target that a store path stands for: all outputs of a `.drv`, or the one
    /// output that it is. `None` if the text is no absolute path in the store.
    pub(crate) fn store_target(
        &self,
        text: &str,
        platform: &'static Platform,
    ) -> Result<Option<Target>, Error> {
        let directory = self.store().store_dir().as_str();
        if text.strip_prefix(directory).is_none_or(|rest| !rest.starts_with('/')) {
            return Ok(None);
        }
        let path = self.store().store_dir().parse(text);
        let path = path.map_err(|error| Error::BadStorePath(text.to_owned(), error.to_string()))?;
        let wanted = match path.is_derivation() {
            true if self.store().is_valid(&path)? => {
                let outputs = self.store().query_derivation_outputs(&path)?;
                Wanted { derivation: path, outputs: outputs.into_keys().collect() }
            }
            true => return Err(Error::NoStorePath(text.to_owned())),
            false => self.maker(&path)?.ok_or_else(|| Error::NoStorePath(text.to_owned()))?,
        };
        let derivation = self.store().read_derivation(&wanted.derivation)?;
        let platform = saltire_platforms::by_system(&String::from_utf8_lossy(&derivation.system))
            .filter(|_| !derivation.is_builtin())
            .unwrap_or(platform);
        let route = RouteChoice { route: Route::Native, reason: "a store path says all".to_owned() };
        let program = program_name(&derivation);
        Ok(Some(Target { package: text.to_owned(), platform, route, wanted, program }))
    }

    /// A derivation in the store that makes a path, and the name that it has there.
    fn maker(&self, path: &StorePath) -> Result<Option<Wanted>, Error> {
        for derivation in self.store().query_valid_derivers(path)? {
            let outputs = self.store().query_derivation_outputs(&derivation)?;
            if let Some((name, _)) = outputs.into_iter().find(|(_, output)| output == path) {
                return Ok(Some(Wanted { derivation, outputs: vec![name] }));
            }
        }
        Ok(None)
    }
}

/// The likely name of a derivation's program: `pname`, else the name without its
/// version, which begins at a dash before a digit.
fn program_name(derivation: &Derivation) -> String {
    if let Some(name) = derivation.environment.get(b"pname".as_slice()) {
        return String::from_utf8_lossy(name).into_owned();
    }
    let name = &derivation.name;
    let version =
        name.match_indices('-').find(|(at, _)| name[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    version.map_or(name.as_str(), |(at, _)| &name[..at]).to_owned()
}
