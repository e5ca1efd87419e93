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

// For the time of a call of TorchScript: may its executor rewrite graphs? The flag is the process's, not a module's, so
// whoever calls one says what that module needs. A frozen module does not run as it is written (the methods that its
// graph names are gone); one that may be rewritten gives the same input other bits after some calls.
class GraphsAs {
 public:
  enum Form { written, rewritten };
  explicit GraphsAs(Form form);
  ~GraphsAs();
  GraphsAs(const GraphsAs&) = delete;
  GraphsAs& operator=(const GraphsAs&) = delete;

 private:
  bool before_;
};

ddls::tensor::NamedTensors tensors_of(const torch::jit::Module& module);  // weights and buffers, shared

std::string type_of(const c10::IValue& value);  // "Tuple[Tensor, Tensor]"

}  // namespace ddls::tensor
