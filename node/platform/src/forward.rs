//! Parts of a world that are another's: what they are told goes on to that.

/// Has a type's links and its door for tools be those of one of its fields. A closure that is
/// given, too, is run after [`crate::Links::flush`].
#[macro_export]
macro_rules! forward_links {
    ($type:ty, $field:ident $(, $after_flush:expr)?) => {
        impl $crate::Links for $type {
            fn become_node(&mut self, me: $crate::forwarded::NodeId) {
                $crate::Links::become_node(&mut self.$field, me);
            }

            fn address(&self) -> $crate::forwarded::String {
                $crate::Links::address(&self.$field)
            }

            fn call(&mut self, address: &str) -> $crate::JoinerId {
                $crate::Links::call(&mut self.$field, address)
            }

            fn connect(&mut self, node: $crate::forwarded::NodeId, address: &str) {
                $crate::Links::connect(&mut self.$field, node, address);
            }

            fn disconnect(&mut self, node: $crate::forwarded::NodeId) {
                $crate::Links::disconnect(&mut self.$field, node);
            }

            fn bind(&mut self, joiner: $crate::JoinerId, node: $crate::forwarded::NodeId) {
                $crate::Links::bind(&mut self.$field, joiner, node);
            }

            fn send(
                &mut self,
                to: $crate::forwarded::NodeId,
                envelope: &$crate::forwarded::Envelope,
            ) {
                $crate::Links::send(&mut self.$field, to, envelope);
            }

            fn send_joiner(
                &mut self,
                joiner: $crate::JoinerId,
                envelope: &$crate::forwarded::Envelope,
            ) {
                $crate::Links::send_joiner(&mut self.$field, joiner, envelope);
            }

            fn pending_bytes(&self, to: $crate::forwarded::NodeId) -> usize {
                $crate::Links::pending_bytes(&self.$field, to)
            }

            fn flush(&mut self) {
                $crate::Links::flush(&mut self.$field);
                $(($after_flush)(self);)?
            }

            fn counters(&self) -> $crate::LinkCounters {
                $crate::Links::counters(&self.$field)
            }
        }

        impl $crate::Requests for $type {
            fn reply(&mut self, id: $crate::RequestId, bytes: $crate::forwarded::Vec<u8>) {
                $crate::Requests::reply(&mut self.$field, id, bytes);
            }
        }
    };
}

/// Has a type compile with one of its fields.
#[macro_export]
macro_rules! forward_compiler {
    ($type:ty, $field:ident) => {
        impl $crate::Compiler for $type {
            fn compile(&mut self, job: $crate::CompileJob, wasm: $crate::forwarded::Vec<u8>) {
                $crate::Compiler::compile(&mut self.$field, job, wasm);
            }

            fn finished(
                &mut self,
            ) -> Option<(
                $crate::CompileJob,
                Result<$crate::CompiledModule, $crate::NotCompiled>,
            )> {
                $crate::Compiler::finished(&mut self.$field)
            }
        }
    };
}
