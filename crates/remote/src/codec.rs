//! Store paths, what is known of them, and derivations on the wire.

use crate::error::malformed;
use crate::messages::{BuildResult, BuildStatus};
use crate::wire::{WireRead, WireWrite};
use saltire_store_model::{
    ContentAddress, Derivation, DerivationOutput, Hash, HashAlgorithm, Ingestion, PathInfo, StoreDir,
    StorePath,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

pub(crate) fn read_path(input: &mut (impl Read + ?Sized), store: &StoreDir) -> io::Result<StorePath> {
    store.parse(input.data()?).map_err(malformed)
}

/// A path, or nothing where the text is empty.
pub(crate) fn read_optional_path(
    input: &mut (impl Read + ?Sized),
    store: &StoreDir,
) -> io::Result<Option<StorePath>> {
    let text = input.data()?;
    if text.is_empty() { Ok(None) } else { store.parse(text).map(Some).map_err(malformed) }
}

pub(crate) fn read_paths(
    input: &mut (impl Read + ?Sized),
    store: &StoreDir,
) -> io::Result<BTreeSet<StorePath>> {
    (0..WireRead::length(input)?).map(|_| read_path(input, store)).collect()
}

pub(crate) fn put_path(
    output: &mut (impl Write + ?Sized),
    store: &StoreDir,
    path: &StorePath,
) -> io::Result<()> {
    output.put_text(&store.display(path))
}

pub(crate) fn put_optional_path(
    output: &mut (impl Write + ?Sized),
    store: &StoreDir,
    path: Option<&StorePath>,
) -> io::Result<()> {
    output.put_text(&path.map_or(String::new(), |path| store.display(path)))
}

pub(crate) fn put_paths<'p>(
    output: &mut (impl Write + ?Sized),
    store: &StoreDir,
    paths: impl ExactSizeIterator<Item = &'p StorePath>,
) -> io::Result<()> {
    output.put_number(paths.len() as u64)?;
    for path in paths {
        put_path(output, store, path)?;
    }
    Ok(())
}

pub(crate) fn address_text(address: Option<&ContentAddress>) -> String {
    address.map_or(String::new(), ToString::to_string)
}

pub(crate) fn parse_address(text: &str) -> io::Result<Option<ContentAddress>> {
    if text.is_empty() { Ok(None) } else { ContentAddress::parse(text).map(Some).map_err(malformed) }
}

/// What is known of a path, without the path.
pub(crate) fn put_info(
    output: &mut (impl Write + ?Sized),
    store: &StoreDir,
    info: &PathInfo,
) -> io::Result<()> {
    put_optional_path(output, store, info.deriver.as_ref())?;
    output.put_text(&info.nar_hash.to_base16())?;
    put_paths(output, store, info.references.iter())?;
    output.put_number(info.registration_time)?;
    output.put_number(info.nar_size)?;
    output.put_flag(info.ultimate)?;
    output.put_number(info.signatures.len() as u64)?;
    info.signatures.iter().try_for_each(|signature| output.put_text(signature))?;
    output.put_text(&address_text(info.content_address.as_ref()))
}

/// What is known of a path that is known itself.
pub(crate) fn read_info(
    input: &mut (impl Read + ?Sized),
    store: &StoreDir,
    path: StorePath,
) -> io::Result<PathInfo> {
    let deriver = read_optional_path(input, store)?;
    let hash = Hash::parse(&input.text()?, Some(HashAlgorithm::Sha256)).map_err(malformed)?;
    let references = read_paths(input, store)?;
    let registration_time = input.number()?;
    let mut info = PathInfo::new(path, hash, input.number()?);
    info.deriver = deriver;
    info.references = references;
    info.registration_time = registration_time;
    info.ultimate = input.flag()?;
    info.signatures = input.text_set()?;
    info.content_address = parse_address(&input.text()?)?;
    Ok(info)
}

/// A derivation without the derivations that it needs: all its inputs are sources.
pub(crate) fn put_derivation(
    output: &mut (impl Write + ?Sized),
    store: &StoreDir,
    derivation: &Derivation,
    inputs: &BTreeSet<StorePath>,
) -> io::Result<()> {
    output.put_number(derivation.outputs.len() as u64)?;
    for (name, value) in &derivation.outputs {
        let path = value.path(store, &derivation.name, name).map_err(malformed)?;
        let (method, hash) = match value {
            DerivationOutput::InputAddressed { .. } | DerivationOutput::Deferred => Default::default(),
            DerivationOutput::Fixed(address) => {
                let method = format!("{}{}", address.ingestion.prefix(), address.hash.algorithm().name());
                (method, address.hash.to_base16())
            }
            DerivationOutput::Floating { ingestion, algorithm } => {
                (format!("{}{}", ingestion.prefix(), algorithm.name()), String::new())
            }
            DerivationOutput::Impure { ingestion, algorithm } => {
                (format!("{}{}", ingestion.prefix(), algorithm.name()), "impure".to_owned())
            }
        };
        output.put_text(name)?;
        put_optional_path(output, store, path.as_ref())?;
        output.put_text(&method)?;
        output.put_text(&hash)?;
    }
    put_paths(output, store, inputs.iter())?;
    output.put_bytes(&derivation.system)?;
    output.put_bytes(&derivation.builder)?;
    output.put_number(derivation.arguments.len() as u64)?;
    derivation.arguments.iter().try_for_each(|argument| output.put_bytes(argument))?;
    output.put_number(derivation.environment.len() as u64)?;
    derivation.environment.iter().try_for_each(|(name, value)| {
        output.put_bytes(name)?;
        output.put_bytes(value)
    })
}

/// Reads what [`put_derivation`] writes; `name` is that of the derivation, without `.drv`.
pub(crate) fn read_derivation(
    input: &mut (impl Read + ?Sized),
    store: &StoreDir,
    name: &str,
) -> io::Result<Derivation> {
    let mut outputs = BTreeMap::new();
    for _ in 0..WireRead::length(input)? {
        let output = input.text()?;
        let path = read_optional_path(input, store)?;
        let (method, hash) = (input.text()?, input.text()?);
        let value = match path {
            _ if method.is_empty() => match path {
                Some(path) => DerivationOutput::InputAddressed { path },
                None => DerivationOutput::Deferred,
            },
            _ => {
                let (ingestion, algorithm) = Ingestion::split_prefix(&method).map_err(malformed)?;
                match hash.as_str() {
                    "" => DerivationOutput::Floating { ingestion, algorithm },
                    "impure" => DerivationOutput::Impure { ingestion, algorithm },
                    hash => {
                        let hash = Hash::parse(hash, Some(algorithm)).map_err(malformed)?;
                        DerivationOutput::Fixed(ContentAddress { ingestion, hash })
                    }
                }
            }
        };
        outputs.insert(output, value);
    }
    let input_sources = read_paths(input, store)?;
    let system = input.data()?.into();
    let builder = input.data()?.into();
    let arguments = (0..WireRead::length(input)?).map(|_| Ok(input.data()?.into()));
    let arguments = arguments.collect::<io::Result<_>>()?;
    let pairs = (0..WireRead::length(input)?).map(|_| Ok((input.data()?.into(), input.data()?.into())));
    let environment = pairs.collect::<io::Result<_>>()?;
    let (name, input_derivations) = (name.to_owned(), BTreeMap::new());
    Ok(Derivation {
        name,
        outputs,
        input_derivations,
        input_sources,
        system,
        builder,
        arguments,
        environment,
    })
}

/// Which parts a build's result has.
#[derive(Clone, Copy)]
pub(crate) struct ResultParts {
    pub times: bool,
    pub processor_time: bool,
    pub outputs: bool,
}

pub(crate) fn read_result(input: &mut (impl Read + ?Sized), parts: ResultParts) -> io::Result<BuildResult> {
    let status = BuildStatus::from_number(input.number()?);
    let error = crate::messages::without_colours(&String::from_utf8_lossy(&input.data()?));
    let mut result = BuildResult::new(status, error);
    if parts.times {
        let (_times_built, _is_non_deterministic) = (input.number()?, input.number()?);
        (result.started, result.stopped) = (input.number()?, input.number()?);
    }
    if parts.processor_time {
        for _ in 0..2 {
            if input.flag()? {
                input.number()?;
            }
        }
    }
    if parts.outputs {
        for _ in 0..WireRead::length(input)? {
            // `sha256:…!out`, and JSON of which only the path matters here.
            let (id, value) = (input.text()?, input.text()?);
            let name = id.rsplit('!').next().unwrap_or_default().to_owned();
            let path = value.split("\"outPath\":\"").nth(1).and_then(|rest| rest.split('"').next());
            result.outputs.extend(path.map(|path| (name, path.to_owned())));
        }
    }
    Ok(result)
}

/// Outputs are left out: whoever asks knows where outputs that depend on inputs are, and
/// others can't be built here.
pub(crate) fn put_result(
    output: &mut (impl Write + ?Sized),
    result: &BuildResult,
    parts: ResultParts,
) -> io::Result<()> {
    output.put_number(result.status.number())?;
    output.put_text(&result.error)?;
    if parts.times {
        output.put_number(u64::from(result.status == BuildStatus::Built))?;
        output.put_number(u64::from(result.status == BuildStatus::NotDeterministic))?;
        output.put_number(result.started)?;
        output.put_number(result.stopped)?;
    }
    if parts.processor_time {
        output.put_number(0)?;
        output.put_number(0)?;
    }
    if parts.outputs {
        output.put_number(0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/nix/store/ia70ss13m22znbl8khrf2hq72qmh5drr-ruby-2.7.5";

    #[test]
    fn infos_are_read_as_they_were_written() {
        let store = StoreDir::default();
        let path = store.parse(PATH).unwrap();
        let mut info = PathInfo::new(path.clone(), Hash::sha256("x"), 120);
        info.references = [path.clone()].into();
        info.deriver = Some(path.clone());
        info.signatures = ["a:b".to_owned()].into();
        info.content_address =
            Some(ContentAddress { ingestion: Ingestion::Nar, hash: Hash::sha256("content") });
        let mut bytes = Vec::new();
        put_info(&mut bytes, &store, &info).unwrap();
        assert_eq!(read_info(&mut bytes.as_slice(), &store, path).unwrap(), info);
    }

    #[test]
    fn derivations_are_read_as_they_were_written() {
        let store = StoreDir::default();
        let path = store.parse(PATH).unwrap();
        let mut derivation = Derivation { name: "x".into(), ..Derivation::default() };
        derivation.outputs.insert("out".into(), DerivationOutput::InputAddressed { path: path.clone() });
        derivation.outputs.insert(
            "fixed".into(),
            DerivationOutput::Fixed(ContentAddress { ingestion: Ingestion::Flat, hash: Hash::sha256("x") }),
        );
        derivation.input_sources.insert(path);
        derivation.arguments.push(b"\xff".into());
        derivation.environment.insert("a".into(), "b".into());
        let mut bytes = Vec::new();
        put_derivation(&mut bytes, &store, &derivation, &derivation.input_sources).unwrap();
        assert_eq!(read_derivation(&mut bytes.as_slice(), &store, "x").unwrap(), derivation);
    }

    #[test]
    fn paths_elsewhere_are_refused() {
        let mut bytes = Vec::new();
        bytes.put_text("/nix/store/../../etc/passwd").unwrap();
        assert!(read_path(&mut bytes.as_slice(), &StoreDir::default()).is_err());
    }
}
