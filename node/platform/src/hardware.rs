//! All of the machine itself that a node's devices use.
use crate::{Board, Screen, Terminal};

/// Screen, terminal, and the parts that are set.
pub trait Hardware: Screen + Terminal + Board {}

impl<H: Screen + Terminal + Board> Hardware for H {}

/// A machine of which nothing is to be seen or set, for who has none to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoHardware;

impl Screen for NoHardware {}
impl Terminal for NoHardware {}
impl Board for NoHardware {}
