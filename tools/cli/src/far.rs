//! What the commands about far copies share.
use archive::{Access, ArchiveError, Far};

use crate::error::Error;

/// Opens a far copy.
pub(crate) fn open(url: &str, access: Access) -> Result<Far, Error> {
    Far::open(url, access).map_err(explain)
}

/// An error of a far copy, for people.
pub(crate) fn explain(error: ArchiveError) -> Error {
    let message = error.to_string();
    match error {
        ArchiveError::Interrupted => Error::user(message),
        ArchiveError::Place { .. } => Error::user(message)
            .hint("credentials come from the environment: AWS_ACCESS_KEY_ID and the like"),
        ArchiveError::OtherCluster { .. } => {
            Error::user(message).hint("choose a place of its own for each cluster")
        }
        ArchiveError::NoCopy { .. } | ArchiveError::NoSnapshot { .. } => {
            Error::user(message).hint("`plurix export` writes one")
        }
        ArchiveError::BadPack { .. } | ArchiveError::BadManifest { .. } => Error::config(message)
            .hint("nothing was changed; another snapshot of the copy may be whole: --snapshot"),
        ArchiveError::Store { .. } => Error::config(message).hint(
            "a service is described by AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID, \
             AWS_SECRET_ACCESS_KEY; AWS_ALLOW_HTTP=true for one without TLS",
        ),
        ArchiveError::Past(error) => error.into(),
        ArchiveError::Contradiction { .. } => Error::config(message),
    }
}
