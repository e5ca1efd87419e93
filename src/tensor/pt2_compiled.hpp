#pragma once
// Programs of a .pt2 archive that AOTInductor compiled (tools/export_gan.py --aot). They are native code, which runs
// with all rights of this process and which no check sees through: whoever loads one has the user's word for it
// (model.compiled).
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <string>

#include "tensor/pt2_self_test.hpp"

namespace ddls::tensor {

// Why this process cannot run the archive's compiled programs: none there, or another device, instruction set or
// version of LibTorch; empty: it can. Throws Error(data): what they are compiled for is not said.
std::string why_not_compiled(const Pt2Archive& archive, const Pt2Origin& origin, c10::Device device);

// "AVX2" or "AVX512": what the compiled program of this name is made for. Throws Error(data).
std::string instruction_set(const Pt2Archive& archive, const std::string& name);

// Loads it. Inputs are checked, as compiled code checks none: they must be as `like`, but for the number of rows.
// Throws Error(runtime) where the code cannot be loaded into this process.
Pt2Program compiled_program(const Pt2Archive& archive, const std::string& name, const std::vector<at::Tensor>& like);

}  // namespace ddls::tensor
