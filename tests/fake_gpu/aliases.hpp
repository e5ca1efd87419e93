#pragma once
// Tensors of the fake GPU as the CPU's operators see them.
#include <ATen/core/Tensor.h>

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ddls::fake_gpu {

// For one call of an operator.
class Aliases {
 public:
  // A CPU tensor over the same data; a CPU tensor itself, and an undefined one. Throws where tensors of different
  // devices meet, unless it is a scalar of the CPU that comes to a GPU.
  at::Tensor of(const at::Tensor& tensor);
  // The tensor that the operator's result stands for: an argument itself, a view of one, or else a new one.
  at::Tensor back(const at::Tensor& result);
  // Arguments that the operator made larger or smaller take the new size.
  void resized();

  std::optional<c10::Device> device;  // of the arguments

 private:
  c10::Storage data_of(const c10::Storage& storage);

  struct Pair {
    at::Tensor shown, alias;
  };
  std::vector<Pair> tensors_;
  std::vector<std::pair<c10::Storage, c10::Storage>> storages_;  // shown, with the data
  bool mixes_cpu_ = false;
};

at::Tensor alias_of(const at::Tensor& tensor);  // of one tensor
const at::Tensor& give_size(const at::Tensor& self, at::IntArrayRef sizes, std::optional<at::MemoryFormat> format);

}  // namespace ddls::fake_gpu
