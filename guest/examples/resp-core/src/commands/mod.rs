//! The commands: a table, and a file for each family.

mod hashes;
mod keys;
mod lists;
mod server;
mod sets;
mod sorted;
mod strings;
mod times;

use alloc::vec::Vec;

use crate::call::Call;
use crate::failure::Failure;

/// Does a command; the first argument is its name.
type Handler = fn(&mut Call<'_, '_>, &[&[u8]]) -> Result<(), Failure>;

/// What executes a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Executor {
    Database(Handler),
    Session(Session),
}

/// Commands that concern the session itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Session {
    Discard,
    Exec,
    Multi,
    Quit,
    Unwatch,
    Watch,
}

/// A command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    name: &'static str,
    /// How many arguments it has, with its name; if negative, how many at least.
    arity: isize,
    pub(crate) executor: Executor,
}

const fn command(name: &'static str, arity: isize, handler: Handler) -> Command {
    Command {
        name,
        arity,
        executor: Executor::Database(handler),
    }
}

const fn session(name: &'static str, arity: isize, command: Session) -> Command {
    Command {
        name,
        arity,
        executor: Executor::Session(command),
    }
}

/// In the order of their names.
const COMMANDS: &[Command] = &[
    command("append", 3, strings::append),
    command("command", -1, server::command),
    command("config", -2, server::config),
    command("dbsize", 1, server::dbsize),
    command("decr", 2, strings::decr),
    command("decrby", 3, strings::decrby),
    command("del", -2, keys::del),
    session("discard", 1, Session::Discard),
    command("echo", 2, server::echo),
    session("exec", 1, Session::Exec),
    command("exists", -2, keys::exists),
    command("expire", -3, times::expire),
    command("expireat", -3, times::expireat),
    command("expiretime", 2, times::expiretime),
    command("flushall", -1, server::flush),
    command("flushdb", -1, server::flush),
    command("get", 2, strings::get),
    command("getdel", 2, strings::getdel),
    command("getrange", 4, strings::getrange),
    command("getset", 3, strings::getset),
    command("hdel", -3, hashes::hdel),
    command("hexists", 3, hashes::hexists),
    command("hget", 3, hashes::hget),
    command("hgetall", 2, hashes::hgetall),
    command("hincrby", 4, hashes::hincrby),
    command("hkeys", 2, hashes::hkeys),
    command("hlen", 2, hashes::hlen),
    command("hmget", -3, hashes::hmget),
    command("hmset", -4, hashes::hmset),
    command("hset", -4, hashes::hset),
    command("hsetnx", 4, hashes::hsetnx),
    command("hvals", 2, hashes::hvals),
    command("incr", 2, strings::incr),
    command("incrby", 3, strings::incrby),
    command("info", -1, server::info),
    command("keys", 2, keys::keys),
    command("lindex", 3, lists::lindex),
    command("llen", 2, lists::llen),
    command("lpop", -2, lists::lpop),
    command("lpush", -3, lists::lpush),
    command("lpushx", -3, lists::lpushx),
    command("lrange", 4, lists::lrange),
    command("lset", 4, lists::lset),
    command("mget", -2, strings::mget),
    command("mset", -3, strings::mset),
    command("msetnx", -3, strings::msetnx),
    session("multi", 1, Session::Multi),
    command("persist", 2, times::persist),
    command("pexpire", -3, times::pexpire),
    command("pexpireat", -3, times::pexpireat),
    command("pexpiretime", 2, times::pexpiretime),
    command("ping", -1, server::ping),
    command("psetex", 4, strings::psetex),
    command("pttl", 2, times::pttl),
    session("quit", -1, Session::Quit),
    command("rpop", -2, lists::rpop),
    command("rpush", -3, lists::rpush),
    command("rpushx", -3, lists::rpushx),
    command("sadd", -3, sets::sadd),
    command("scan", -2, keys::scan),
    command("scard", 2, sets::scard),
    command("select", 2, server::select),
    command("set", -3, strings::set),
    command("setex", 4, strings::setex),
    command("setnx", 3, strings::setnx),
    command("sismember", 3, sets::sismember),
    command("smembers", 2, sets::smembers),
    command("spop", -2, sets::spop),
    command("srem", -3, sets::srem),
    command("strlen", 2, strings::strlen),
    command("time", 1, server::time),
    command("touch", -2, keys::exists),
    command("ttl", 2, times::ttl),
    command("type", 2, keys::type_of),
    command("unlink", -2, keys::del),
    session("unwatch", 1, Session::Unwatch),
    session("watch", -2, Session::Watch),
    command("zadd", -4, sorted::zadd),
    command("zcard", 2, sorted::zcard),
    command("zincrby", 4, sorted::zincrby),
    command("zpopmax", -2, sorted::zpopmax),
    command("zpopmin", -2, sorted::zpopmin),
    command("zrange", -4, sorted::zrange),
    command("zrem", -3, sorted::zrem),
    command("zscore", 3, sorted::zscore),
];

/// Longer than any name.
const NAME_BYTES: usize = 16;
/// How much of a name, and of the arguments together, an error repeats.
const SHOWN_BYTES: usize = 128;

/// The command that the arguments name, if it can have so many.
pub(crate) fn find(arguments: &[&[u8]]) -> Result<&'static Command, Failure> {
    let name = arguments[0];
    let mut small = [0; NAME_BYTES];
    let command = small.get_mut(..name.len()).and_then(|small| {
        small.copy_from_slice(name);
        small.make_ascii_lowercase();
        let index = COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(small));
        index.ok().map(|index| &COMMANDS[index])
    });
    let Some(command) = command else {
        return Err(unknown(arguments));
    };
    let is_right = match usize::try_from(command.arity) {
        Ok(exactly) => arguments.len() == exactly,
        Err(_) => arguments.len() >= command.arity.unsigned_abs(),
    };
    if is_right {
        Ok(command)
    } else {
        Err(Failure::Arity(command.name))
    }
}

fn unknown(arguments: &[&[u8]]) -> Failure {
    let cut = |text: &[u8], length: usize| text[..text.len().min(length)].to_vec();
    let mut shown: Vec<u8> = Vec::new();
    for argument in &arguments[1..] {
        if shown.len() >= SHOWN_BYTES {
            break;
        }
        let room = SHOWN_BYTES - shown.len();
        shown.extend([b"'", &cut(argument, room)[..], b"' "].concat());
    }
    let name = cut(arguments[0], SHOWN_BYTES);
    let text = [
        b"ERR unknown command '",
        &name[..],
        b"', with args beginning with: ",
        &shown,
    ];
    Failure::Message(text.concat())
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, NAME_BYTES};

    #[test]
    fn the_table_is_in_order() {
        assert!(COMMANDS.is_sorted_by(|one, next| one.name < next.name));
        assert!(
            COMMANDS
                .iter()
                .all(|command| command.name.len() < NAME_BYTES)
        );
    }
}
