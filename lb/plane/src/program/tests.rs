mod root {
    use libbpf_rs::{MapType, libbpf_sys};
    use zerocopy::FromZeros;

    use crate::kernel::OpenError;
    use crate::kernel_side::{create, options};
    use crate::program::load;

    #[test]
    #[ignore = "needs root: run make test"]
    fn a_rejected_program_is_an_error_with_the_verifiers_words() {
        let mappable = libbpf_sys::bpf_map_create_opts {
            map_flags: libbpf_sys::BPF_F_MMAPABLE,
            ..options()
        };
        // Too small for what the program reads of it.
        let control = create(MapType::Array, "control", 4, 1, &mappable).expect("a map");
        let config = lb_bpf::abi::lb_config::new_zeroed();
        match load(&config, &[("control", &control)]) {
            Err(OpenError::Rejected { log }) => {
                assert!(log.contains("invalid access to map value"), "{log}");
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("the program was loaded"),
        }
    }
}
