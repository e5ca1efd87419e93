#pragma once
// Reads a TorchScript file; says what it is where it is none.
#include <c10/core/Device.h>

#include <filesystem>
#include <string>

#include "tensor/npz.hpp"

namespace torch::jit {
struct Module;
}
namespace c10 {
struct IValue;
}

namespace ddls::tensor {

// In eval mode, its weights without gradients. Throws Error: missing (`what` names the key or role), or data: no
// TorchScript (and what it is instead), damaged, without a forward.
torch::jit::Module load_torchscript(const std::filesystem::path& file, const std::string& what, c10::Device device);

ddls::tensor::NamedTensors tensors_of(const torch::jit::Module& module);  // weights and buffers, shared

std::string type_of(const c10::IValue& value);  // "Tuple[Tensor, Tensor]"

}  // namespace ddls::tensor
