mod root {
    use libbpf_rs::{MapHandle, MapType, libbpf_sys};
    use zerocopy::FromZeros;

    use crate::attach::Path;
    use crate::kernel::OpenError;
    use crate::kernel_side::{create, options};
    use crate::program::Programs;

    /// A map that is too small for what programs read of it.
    fn too_small(name: &str) -> MapHandle {
        let mappable = libbpf_sys::bpf_map_create_opts {
            map_flags: libbpf_sys::BPF_F_MMAPABLE,
            ..options()
        };
        create(MapType::Array, name, 4, 1, &mappable).expect("a map")
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn rejected_programs_are_an_error_with_the_verifiers_words() {
        let control = too_small("control");
        let config = lb_bpf::abi::lb_config::new_zeroed();
        match Programs::load(&config, &[("control", &control)]) {
            Err(OpenError::Rejected { log }) => {
                assert!(log.contains("invalid access to map value"), "{log}");
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("a program was loaded"),
        }
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn the_redirector_is_there_where_the_forwarder_is_rejected() {
        // Which the redirector doesn't read.
        let services = too_small("services");
        let config = lb_bpf::abi::lb_config::new_zeroed();
        let programs = Programs::load(&config, &[("services", &services)]).expect("one loads");
        let log = programs.of(Path::Xdp).expect_err("it is rejected");
        assert!(log.contains("invalid access to map value"), "{log}");
        assert!(programs.of(Path::AfXdp).is_ok());
    }

    #[test]
    #[ignore = "needs root: run make test"]
    fn the_forwarder_is_there_where_the_kernel_has_no_sockets_to_redirect_to() {
        let stand_in = create(MapType::Array, "xskmap", 4, 4096, &options()).expect("a map");
        let config = lb_bpf::abi::lb_config::new_zeroed();
        let programs = Programs::load(&config, &[("xskmap", &stand_in)]).expect("one loads");
        assert!(programs.of(Path::Xdp).is_ok());
        assert!(programs.of(Path::AfXdp).is_err());
    }
}
