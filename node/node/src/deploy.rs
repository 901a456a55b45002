//! Deployment: a module is compiled beside the loop, then written to the memory of the
//! cluster piece by piece, then published.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use admin::{Failure, FailureKind, Response};
use kernel::modules::{self, Module, ModuleState, NewModule};
use kernel::{BlobId, Name, blobs};
use platform::{CompileJob, CompiledModule, Disk, NotCompiled, RequestId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use types::ViewNumber;

use crate::core::Core;
use crate::requests::{Served, Unserved, bad_request};
use crate::transaction::NotDone;
use crate::{Node, Platform};

/// Bytes written by one transaction of a larger write: 16 pages.
pub(crate) const PIECE_BYTES: usize = 64 << 10;

/// A deployment whose module is being compiled.
pub(crate) struct Pending {
    request: RequestId,
    /// The request, in case it must be served again.
    bytes: Vec<u8>,
    name: Name,
    hash: [u8; 32],
}

/// Initial contents of linear memory: offsets and bytes.
pub(crate) type Image = Vec<(u32, Vec<u8>)>;

/// What processes of a module begin with: kept in the module's info blob.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Beginning {
    /// What the engine must know.
    pub(crate) info: Vec<u8>,
    /// Initial contents of linear memory.
    pub(crate) image: Image,
}

impl<P: Platform, D: Disk> Node<P, D> {
    pub(crate) fn deploy(
        &mut self,
        request: RequestId,
        name: &str,
        wasm: Vec<u8>,
        bytes: &[u8],
    ) -> Served {
        let name = Name::new(name).map_err(|refusal| bad_request(refusal.to_string()))?;
        let hash: [u8; 32] = Sha256::digest(&wasm).into();
        let (known, stamp) = self.core.transact(|pages| {
            let Some(id) = modules::by_name(pages, &name)? else {
                return Ok(None);
            };
            let module = modules::get(pages, id)?;
            let is_same = module.hash == hash && module.state == ModuleState::Ready;
            Ok(is_same.then_some(id))
        })?;
        if let Some(id) = known {
            return Ok((Response::Deployed { module: id.0 }, Some(stamp)));
        }
        self.desk.jobs_begun += 1;
        let job = CompileJob(self.desk.jobs_begun);
        let pending = Pending {
            request,
            bytes: bytes.to_vec(),
            name,
            hash,
        };
        self.desk.jobs.insert(job, pending);
        self.core.platform.compile(job, wasm);
        Err(Unserved::Later)
    }

    /// Publishes the modules that have been compiled since.
    pub(crate) fn finish_compilations(&mut self) {
        while let Some((job, result)) = self.core.platform.finished() {
            let Some(pending) = self.desk.jobs.remove(&job) else {
                continue;
            };
            let served = match result {
                Ok(compiled) => self.core.publish(&pending, &compiled),
                Err(NotCompiled::Refused(message)) => Err(Unserved::Failed(Failure {
                    kind: FailureKind::Refused,
                    message,
                })),
                Err(NotCompiled::NoCompiler) => Err(Unserved::Failed(Failure {
                    kind: FailureKind::NoCompiler,
                    message: "this node's machine has no compiler".into(),
                })),
            };
            self.answer(pending.request, pending.bytes, served);
        }
    }
}

impl<P: Platform, D: Disk> Core<P, D> {
    fn publish(&mut self, pending: &Pending, compiled: &CompiledModule) -> Served {
        let view = self.view_number();
        let beginning = Beginning {
            info: compiled.info.clone(),
            image: compiled.image.clone(),
        };
        let info = postcard::to_allocvec(&beginning).expect("plain data can be encoded");
        let new = NewModule {
            name: pending.name,
            hash: pending.hash,
            wasm_bytes: compiled.instrumented.len() as u64,
            aot_bytes: compiled.artefact.len() as u64,
            info_bytes: info.len() as u64,
        };
        let (module, _) = self.transact_in(view, |pages| modules::begin(pages, &new))?;
        let Module {
            id,
            wasm,
            aot,
            info: info_blob,
            ..
        } = module;
        self.write_blob(view, wasm, &compiled.instrumented)?;
        self.write_blob(view, aot, &compiled.artefact)?;
        self.write_blob(view, info_blob, &info)?;
        let (_, stamp) = self.transact_in(view, |pages| modules::publish(pages, id))?;
        Ok((Response::Deployed { module: id.0 }, Some(stamp)))
    }

    /// Writes a blob in pieces, each a transaction of its own.
    pub(crate) fn write_blob(
        &mut self,
        view: ViewNumber,
        blob: BlobId,
        bytes: &[u8],
    ) -> Result<(), NotDone> {
        let slot = self.station().slot();
        for (piece, offset) in bytes.chunks(PIECE_BYTES).zip((0..).step_by(PIECE_BYTES)) {
            self.transact_in(view, |pages| blobs::write(pages, slot, blob, offset, piece))?;
        }
        Ok(())
    }
}

impl Beginning {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        postcard::from_bytes(bytes).map_err(|_| "the module's description is damaged".into())
    }
}
