#include "models/state.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "models/network.hpp"

namespace ddls::models {
namespace {

template <typename Visit>
void for_each_tensor(const Network& network, Visit visit) {
  for (const auto& item : network.named_parameters()) visit(item.key(), item.value());
  for (const auto& item : network.named_buffers()) visit(item.key(), item.value());
}

}  // namespace

tensor::NamedTensors state_of(const Network& network) {
  tensor::NamedTensors state;
  for_each_tensor(network, [&](const std::string& name, const at::Tensor& t) {
    state[name] = t.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true).contiguous();
  });
  return state;
}

void load_state(Network& network, const tensor::NamedTensors& state, const std::string& source) {
  at::NoGradGuard no_grad;
  size_t used = 0;
  for_each_tensor(network, [&](const std::string& name, const at::Tensor& t) {
    const auto found = state.find(name);
    if (found == state.end()) fail(Exit::data, "{}: no tensor '{}'; the file belongs to another model", source, name);
    if (found->second.sizes() != t.sizes())
      fail(Exit::data, "{}: '{}' has shape [{}], the model needs [{}]", source, name,
           fmt::join(found->second.sizes(), ", "), fmt::join(t.sizes(), ", "));
    at::Tensor destination = t;
    destination.copy_(found->second);
    ++used;
  });
  if (used == state.size()) return;
  std::map<std::string, bool> known;
  for_each_tensor(network, [&](const std::string& name, const at::Tensor&) { known[name] = true; });
  for (const auto& [name, t] : state)
    if (!known.contains(name)) fail(Exit::data, "{}: tensor '{}' is not part of the model", source, name);
}

uint64_t digest_of(const Network& network) { return digest_of(state_of(network)); }

uint64_t digest_of(const tensor::NamedTensors& state) {
  uint64_t digest = 0;
  for (const auto& [name, t] : state) {
    digest = hash64(name, digest);
    digest = hash64({static_cast<const std::byte*>(t.data_ptr()), static_cast<size_t>(t.nbytes())}, digest);
  }
  return digest;
}

}  // namespace ddls::models
