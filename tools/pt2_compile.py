"""AOTInductor for export_gan.py --aot: programs of an archive as native code, too."""
import contextlib
import ctypes
import os

import torch

from gan_conventions import Refused
from pt2_programs import require_same

ARCHITECTURE = {"avx2": "x86-64-v3", "avx512": "x86-64-v4"}
OPTIONS = {"aot_inductor.package": True,
           "aot_inductor.link_libtorch": False,  # ddls_dist has it
           "cpp.threads": 1}  # as ddls_dist computes; else the number of this machine's cores is in the code


@contextlib.contextmanager
def portable_code():
    """Code for every processor that has the instruction set in the archive. Inductor asks the compiler for all that this one has."""
    from torch._inductor import cpp_builder, cpu_vec_isa
    here = torch.backends.cpu.get_cpu_capability().lower()
    sets, flags = cpu_vec_isa.valid_vec_isa_list, cpp_builder._get_optimization_cflags
    chosen = [one for one in sets() if str(one) == here and here in ARCHITECTURE]
    if not chosen:
        raise Refused(f"--aot: this processor has {here}; programs are compiled for {' or '.join(ARCHITECTURE)}")

    def for_the_set(*arguments, **options):
        compiling, linking = flags(*arguments, **options)
        return [f"march={ARCHITECTURE[here]}" if flag == "march=native" else flag for flag in compiling], linking

    cpu_vec_isa.valid_vec_isa_list, cpp_builder._get_optimization_cflags = lambda: chosen, for_the_set
    try:
        yield here.upper()
    finally:
        cpu_vec_isa.valid_vec_isa_list, cpp_builder._get_optimization_cflags = sets, flags


def require_fixed_groups(name, program):
    """A convolution with a group for each sample (StyleGAN2's) is compiled for the example's batch alone (pytorch#114354)."""
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)  # of operators; inputs and getitem have none
        names = [argument.name for argument in schema.arguments] if schema else []
        groups = {**dict(zip(names, node.args)), **node.kwargs}.get("groups", 1)
        if not isinstance(groups, int):
            raise Refused(f"--aot: {name} has a convolution whose groups are the samples of a batch, which is compiled for one batch size "
                          "alone: take it apart (--family does for the networks it knows), or export without --aot")


def compiled(name, program):
    """The files of one program."""
    require_fixed_groups(name, program)
    inputs, _ = program.example_inputs
    try:
        return torch._inductor.aot_compile(program.module(check_guards=False), inputs, options=OPTIONS)
    except Exception as error:  # whatever Inductor and the C++ compiler throw
        raise Refused(f"--aot: {name} cannot be compiled: {type(error).__name__}: "
                      f"{(str(error).strip() or chr(63)).splitlines()[0]}") from error


def try_compiled(name, files, function, inputs_of, sizes):
    """A compiled program gives the values of the networks at batch sizes other than that of its example, which Inductor may have written into
    it."""
    library = next(file for file in files if str(file).endswith(".so"))
    ctypes.CDLL(os.path.join(os.path.dirname(torch.__file__), "lib", "libtorch_cpu.so"), mode=ctypes.RTLD_GLOBAL)  # whose functions it calls
    runner = torch._C._aoti.AOTIModelContainerRunnerCpu(library, 1)
    for n in sizes:
        what = f"--aot: {name}: on {n} samples the compiled program gives other values than the networks: export without --aot"
        inputs = inputs_of(n)
        try:
            values = runner.run([x.contiguous() for x in inputs])
        except RuntimeError as error:
            raise Refused(f"{what} ({(str(error).strip() or chr(63)).splitlines()[0]})") from error
        require_same(what, values, function(*inputs))
