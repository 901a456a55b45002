//! The imported functions as they are. The only place that names them; a test holds the
//! list against `abi`.

type Bytes = *const u8;
type Buffer = *mut u8;

macro_rules! imports {
    ($(fn $name:ident($($parameter:ident: $type:ident),*) $(-> $result:ident)?;)*) => {
        #[cfg(target_arch = "wasm32")]
        #[link(wasm_import_module = "plurix")]
        unsafe extern "C" {
            $(pub(crate) fn $name($($parameter: $type),*) $(-> $result)?;)*
        }

        $(
            #[cfg(not(target_arch = "wasm32"))]
            pub(crate) unsafe fn $name($($parameter: $type),*) $(-> $result)? {
                let _ = ($($parameter,)*);
                panic!(concat!(stringify!($name), ": there is no host outside of a module"))
            }
        )*

        #[cfg(test)]
        const DECLARED: &[abi::Import] = &[$(abi::Import {
            name: stringify!($name),
            params: &[$(imports!(@type $type)),*],
            result: imports!(@result $($result)?),
        }),*];
    };
    (@type i64) => { abi::Type::I64 };
    (@type $other:ident) => { abi::Type::I32 };
    (@result) => { None };
    (@result $type:ident) => { Some(imports!(@type $type)) };
}

imports! {
    fn log(level: i32, text: Bytes, length: usize);
    fn spawn(name: Bytes, length: usize, argument: i64) -> i64;
    fn signal(event: i64);
    fn worker() -> i64;
    fn node() -> u32;
    fn node_count() -> u32;
    fn arg_count() -> u32;
    fn arg_len(index: u32) -> u32;
    fn arg_read(index: u32, buffer: Buffer);
    fn input_count() -> u32;
    fn input_len(index: u32) -> i64;
    fn input_read(index: u32, offset: i64, buffer: Buffer, length: usize) -> u32;
    fn result_write(offset: i64, bytes: Bytes, length: usize);
    fn progress(done: i64, total: i64);
    fn clock_ns() -> i64;
    fn random(buffer: Buffer, length: usize);
    fn listen(address: Bytes, length: usize, release: i32, event: i64) -> i64;
    fn timer(first: i64, period: i64, event: i64) -> i64;
    fn channel_event(channel: i64, event: i64);
    fn channel_read(channel: i64, buffer: Buffer, length: usize) -> i32;
    fn channel_write(channel: i64, bytes: Bytes, length: usize) -> i32;
    fn channel_close(channel: i64);
    fn attach(device: Bytes, length: usize, release: i32, event: i64) -> i64;
    fn object_read(device: i64, offset: i64, buffer: Buffer, length: usize) -> i32;
    fn object_write(device: i64, offset: i64, bytes: Bytes, length: usize) -> i32;
    fn serve(label: Bytes, length: usize, event: i64) -> i64;
    fn connect(label: Bytes, length: usize, event: i64) -> i64;
    fn exit(code: i32);
}

#[cfg(test)]
mod tests {
    use super::DECLARED;

    #[test]
    fn the_declarations_are_those_of_the_abi() {
        assert_eq!(DECLARED, abi::IMPORTS);
    }
}
