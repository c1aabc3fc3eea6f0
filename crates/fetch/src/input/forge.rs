//! Forges: what their web interfaces are asked.
//!
//! Sources: the REST references of GitHub ("Get a commit", "Download a repository
//! archive") and GitLab ("Commits API", "Repositories API"); SourceHut serves the
//! files of a bare repository.

use super::Input;
use super::url::{percent_decode, percent_encode};

/// A web site that holds Git repositories and makes archives of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forge {
    /// github.com, or GitHub Enterprise.
    GitHub,
    /// gitlab.com, or an instance of GitLab.
    GitLab,
    /// git.sr.ht
    SourceHut,
}

impl Forge {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GitHub, Self::GitLab, Self::SourceHut];

    /// As the attribute `type` and the URL's scheme say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::SourceHut => "sourcehut",
        }
    }

    /// The host if none is given.
    fn default_host(self) -> &'static str {
        match self {
            Self::GitHub => "github.com",
            Self::GitLab => "gitlab.com",
            Self::SourceHut => "git.sr.ht",
        }
    }

    /// The host of an input.
    pub(crate) fn host(self, input: &Input) -> &str {
        input.text("host").unwrap_or(self.default_host())
    }

    /// The address that tells which commit a branch or tag is at; for SourceHut, the
    /// list of all.
    pub(crate) fn commit_url(self, input: &Input, reference: &str) -> String {
        let (owner, repo) = owner_and_repo(input);
        let root = root(self.host(input));
        match self {
            Self::GitHub => format!("{}/repos/{owner}/{repo}/commits/{reference}", github_api(input, &root)),
            Self::GitLab => {
                format!("{root}/api/v4/projects/{owner}%2F{repo}/repository/commits?ref_name={reference}")
            }
            Self::SourceHut => format!("{root}/{owner}/{repo}/info/refs"),
        }
    }

    /// The address of the file that names SourceHut's default branch.
    pub(crate) fn head_url(self, input: &Input) -> String {
        let (owner, repo) = owner_and_repo(input);
        format!("{}/{owner}/{repo}/HEAD", root(self.host(input)))
    }

    /// The address of the archive of a commit.
    pub(crate) fn archive_url(self, input: &Input, rev: &str, has_token: bool) -> String {
        let (owner, repo) = owner_and_repo(input);
        let root = root(self.host(input));
        match self {
            Self::GitHub if self.host(input) == self.default_host() && !has_token => {
                format!("{root}/{owner}/{repo}/archive/{rev}.tar.gz")
            }
            Self::GitHub => format!("{}/repos/{owner}/{repo}/tarball/{rev}", github_api(input, &root)),
            Self::GitLab => {
                format!("{root}/api/v4/projects/{owner}%2F{repo}/repository/archive.tar.gz?sha={rev}")
            }
            Self::SourceHut => format!("{root}/{owner}/{repo}/archive/{rev}.tar.gz"),
        }
    }

    /// The header that carries an access token.
    pub(crate) fn authorization(self, token: &str) -> (String, String) {
        let (name, value) = match self {
            Self::GitHub => ("Authorization", format!("token {token}")),
            Self::GitLab => match token.split_once(':') {
                Some(("OAuth2", token)) => ("Authorization", format!("Bearer {token}")),
                Some(("PAT", token)) => ("Private-token", token.to_owned()),
                _ => ("Private-token", token.to_owned()),
            },
            Self::SourceHut => ("Authorization", format!("Bearer {token}")),
        };
        (name.to_owned(), value)
    }

    /// The commit in an answer to [`Forge::commit_url`].
    pub(crate) fn commit(self, answer: &str, reference: &str) -> Option<String> {
        let json = || serde_json::from_str::<serde_json::Value>(answer).ok();
        match self {
            Self::GitHub => Some(json()?.get("sha")?.as_str()?.to_owned()),
            Self::GitLab => Some(json()?.get(0)?.get("id")?.as_str()?.to_owned()),
            Self::SourceHut => {
                let names = [
                    reference.to_owned(),
                    format!("refs/heads/{reference}"),
                    format!("refs/tags/{reference}^{{}}"),
                    format!("refs/tags/{reference}"),
                ];
                let find = |name: &String| {
                    answer.lines().filter_map(|line| line.split_once('\t')).find(|(_, found)| found == name)
                };
                names.iter().find_map(find).map(|(rev, _)| rev.to_owned())
            }
        }
    }
}

/// For a URL. Old lock files have the names of groups of groups encoded already.
fn owner_and_repo(input: &Input) -> (String, String) {
    let part = |name: &str| {
        let text = input.text(name).unwrap_or_default();
        percent_encode(&percent_decode(text).unwrap_or_else(|| text.to_owned()), "")
    };
    (part("owner"), part("repo"))
}

fn github_api(input: &Input, root: &str) -> String {
    match Forge::GitHub.host(input) {
        "github.com" => "https://api.github.com".to_owned(),
        _ => format!("{root}/api/v3"),
    }
}

/// Where a host's interface begins. Nobody has a certificate for this machine.
fn root(host: &str) -> String {
    let name = host.split(':').next().unwrap_or_default();
    let is_here = matches!(name, "localhost" | "127.0.0.1");
    format!("{}://{host}", if is_here { "http" } else { "https" })
}
