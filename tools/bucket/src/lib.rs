//! A server of Amazon's protocol over a directory, for tests: signatures are checked, objects
//! are files. It is the crates `s3s` and `s3s-fs`; here is only what starts them.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The bucket that it has.
pub const BUCKET: &str = "far";
/// Who may use it.
pub const KEY_ID: &str = "AKIDPLURIXTEST";
/// What proves that.
pub const SECRET: &str = "correct/horse+battery=staple";

/// A server with one bucket, until dropped.
#[derive(Debug)]
pub struct Server {
    directory: PathBuf,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Server {
    /// Starts it; objects are files under `directory`, which is made.
    ///
    /// # Panics
    /// If that is not possible.
    #[must_use]
    pub fn start(directory: &Path) -> Self {
        fs::create_dir_all(directory.join(BUCKET)).expect("the test's directory can be written");
        let files = FileSystem::new(directory).expect("the directory is there");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
        let service = builder.build();
        let runtime = Runtime::new().expect("a process can have a few more threads");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.expect("some port is free");
        let address = listener.local_addr().expect("it listens");
        runtime.spawn(serve(listener, service));
        Self {
            directory: directory.to_owned(),
            address,
            _runtime: runtime,
        }
    }

    /// What is to be in the environment of a client, but for the secret.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()),
            ("AWS_ENDPOINT", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }

    /// Where it is reached.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The files of its objects.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.directory.join(BUCKET)
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    // A client that is gone is no fault of the server's.
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            let _ = builder
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}
