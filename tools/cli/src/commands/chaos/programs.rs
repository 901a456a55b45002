//! Programs that run to their ends meanwhile, and whose results are known.
use std::thread;
use std::time::Duration;

use admin::{Blob, ProcessState, Request, Response};

use super::board::Board;
use crate::client::{Client, ClientError};
use crate::commands::demo::picture::Picture;
use crate::data::DataDir;
use crate::error::Error;
use crate::program::{Followed, Program};

const POLL_TIME: Duration = Duration::from_millis(200);
const ACCOUNTS: u64 = 100;
const TRANSFERS: u64 = 6_000;
const FIRST_BALANCE: u64 = 1_000;
/// A picture that takes a second or two.
const SCENE: &str = include_str!("../../../../../guest/examples/raytracer/scenes/tiny.scene");

/// What the programs have done.
#[derive(Clone, Default, Debug)]
pub(super) struct Ran {
    pub(super) banks: u64,
    /// Totals of a bank that were asked for while it worked, or after it.
    pub(super) totals: u64,
    pub(super) pictures: u64,
    /// What should not have happened.
    pub(super) problems: Vec<String>,
}

/// Runs one program after the other.
pub(super) struct Runner<'run> {
    board: &'run Board,
    data: &'run DataDir,
    workers: u32,
    scene: String,
    picture: Vec<u8>,
    ran: Ran,
}

impl<'run> Runner<'run> {
    /// # Errors
    /// If the scene is wrong.
    pub(super) fn new(
        board: &'run Board,
        data: &'run DataDir,
        workers: u32,
    ) -> Result<Self, Error> {
        let scene = SCENE
            .replace("image 48 30", "image 160 100")
            .replace("samples 4", "samples 16");
        Ok(Self {
            board,
            data,
            workers,
            picture: Picture::of(&scene)?.render()?,
            scene,
            ran: Ran::default(),
        })
    }

    /// Goes on until the run is over.
    pub(super) fn run(mut self) -> Ran {
        for seed in 1_u64.. {
            if self.board.is_over() {
                break;
            }
            if seed % 2 == 1 {
                self.run_bank(seed);
            } else {
                self.run_picture();
            }
        }
        self.ran
    }

    fn run_bank(&mut self, seed: u64) {
        let figures = [ACCOUNTS, TRANSFERS, u64::from(self.workers), seed];
        let arguments = figures.iter().map(ToString::to_string).collect();
        let Some(process) = self.start("bank", arguments, Vec::new()) else {
            return;
        };
        if let Some((result, mut client)) = self.follow("bank", process) {
            let total = ACCOUNTS * FIRST_BALANCE;
            let expected = format!("total {total} of {total}: as it must be");
            if result.starts_with(expected.as_bytes()) {
                self.ran.banks += 1;
            } else {
                let found = String::from_utf8_lossy(&result);
                self.complain(format!("bank, process {process}: {found}"));
            }
            self.check_total(&mut client, process);
        }
    }

    fn run_picture(&mut self) {
        let scene = Blob {
            name: "chaos.scene".into(),
            bytes: self.scene.clone().into_bytes(),
        };
        let Some(process) = self.start("raytracer", Vec::new(), vec![scene]) else {
            return;
        };
        if let Some((result, _)) = self.follow("raytracer", process) {
            if result == self.picture {
                self.ran.pictures += 1;
            } else {
                self.complain(format!("raytracer, process {process}: another picture"));
            }
        }
    }

    /// Starts an example; its process, unless the cluster does not answer.
    fn start(&mut self, name: &str, arguments: Vec<String>, inputs: Vec<Blob>) -> Option<u32> {
        let program = Program::find(name).ok()?;
        let started = Client::find(self.data).and_then(|mut client| {
            client.deploy(name, program.wasm)?;
            Ok(client.start(name, self.workers, arguments, inputs)?)
        });
        if started.is_err() {
            // Whether it runs is unknown; then nobody looks at it.
            thread::sleep(POLL_TIME);
        }
        started.ok()
    }

    /// Waits for the end of a process; its result, unless something is wrong with it.
    fn follow(&mut self, name: &str, process: u32) -> Option<(Vec<u8>, Client)> {
        let mut followed = Followed::new(process);
        let mut client = None;
        while !self.board.is_given_up() {
            thread::sleep(POLL_TIME);
            let Some(mut asked) = client.take().or_else(|| Client::find(self.data).ok()) else {
                continue;
            };
            let news = match followed.news(&mut asked) {
                Ok(news) => news,
                Err(ClientError::Failed(failure)) if is_final(&failure) => {
                    self.complain(format!("{name}, process {process}: {}", failure.message));
                    return None;
                }
                Err(_) => continue,
            };
            match news.state {
                ProcessState::Loading => {}
                ProcessState::Running if name == "bank" => self.check_total(&mut asked, process),
                ProcessState::Running => {}
                ProcessState::Done(0) => match asked.result(process) {
                    Ok(result) => return Some((result, asked)),
                    Err(_) => continue,
                },
                state => {
                    let fault = news.fault;
                    self.complain(format!("{name}, process {process}: {state} {fault}"));
                    return None;
                }
            }
            client = Some(asked);
        }
        None
    }

    fn check_total(&mut self, client: &mut Client, process: u32) {
        let request = Request::Call {
            program: process.to_string(),
            function: "total".into(),
            arguments: Vec::new(),
            inputs: Vec::new(),
            is_query: true,
        };
        let Ok(Response::Returned { values, .. }) = client.ask(&request) else {
            return;
        };
        // Before it is open it has none.
        if values == ["-1"] {
            return;
        }
        self.ran.totals += 1;
        if values != [(ACCOUNTS * FIRST_BALANCE).to_string()] {
            self.complain(format!("bank, process {process}: its total is {values:?}"));
        }
    }

    fn complain(&mut self, problem: String) {
        self.ran.problems.push(problem);
    }
}

/// Whether it will be the same when asked again.
fn is_final(failure: &admin::Failure) -> bool {
    use admin::FailureKind::{
        BadRequest, Ending, Guest, NoCompiler, Refused, Unavailable, Unknown,
    };
    match failure.kind {
        BadRequest | Refused | Guest | NoCompiler => true,
        Unavailable | Ending | Unknown => false,
    }
}
