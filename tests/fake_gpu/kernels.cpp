// Operators of the fake GPU. Those that only look at sizes, make memory or copy are here; all others are the CPU's, run
// on aliases of their arguments.
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "fake_gpu/aliases.hpp"
#include "fake_gpu/fake_gpu.hpp"
#include "tensor/single_thread.hpp"

namespace ddls::fake_gpu {
namespace {

using c10::IValue;

c10::Device device_or_current(std::optional<c10::Device> device) {
  return device && device->has_index() ? *device : c10::Device(kind, static_cast<c10::DeviceIndex>(current_device()));
}

constexpr c10::DispatchKeySet key_of_kind(c10::DispatchKey::PrivateUse1);

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device> device, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(device_or_current(device));
  return at::detail::empty_generic(size, device_allocator(), key_of_kind, c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>) {
  const c10::DeviceGuard guard(device_or_current(device));
  return at::detail::empty_strided_generic(size, stride, device_allocator(), key_of_kind, c10::dtype_or_default(type));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  if (from.numel() > 0 && from.is_cpu() != to.is_cpu()) {
    const at::Tensor& host = from.is_cpu() ? from : to;
    const bool pinned = is_pinned(host.storage().data());
    const std::string what =
        std::string(pinned ? "" : "pageable ") + "copy " + (from.is_cpu() ? "from" : "to") + " the host";
    host_touches(what);
    if (!pinned || !non_blocking) host_waits(what);
  }
  for (const at::Tensor& tensor : {from, to})
    if (!tensor.is_cpu()) use_context(tensor.get_device());
  const at::AutoDispatchBelowADInplaceOrView guard;
  alias_of(to).copy_(alias_of(from));
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  at::Tensor target = to;
  target.resize_(from.sizes());
  return copy_from(from, to, false);
}

at::Scalar local_scalar(const at::Tensor& tensor) {
  host_touches("item");
  host_waits("item");
  return at::_local_scalar_dense(alias_of(tensor));
}

at::Tensor as_strided(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride,
                      std::optional<int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}

at::Tensor& set_storage(at::Tensor& self, at::Storage storage, int64_t offset, at::IntArrayRef size,
                        at::IntArrayRef stride) {
  self.unsafeGetTensorImpl()->set_storage_keep_dtype(std::move(storage));
  self.unsafeGetTensorImpl()->set_sizes_and_strides(size, stride, offset);
  return self;
}

// Whose CUDA kernels copy something to the host: how large the result is, or whether a matrix could be decomposed.
bool waits_by_itself(const std::string& name, const torch::jit::Stack& stack, size_t first) {
  constexpr std::array<std::string_view, 9> names{"aten::nonzero",
                                                  "aten::masked_select",
                                                  "aten::_unique2",
                                                  "aten::unique_dim",
                                                  "aten::unique_consecutive",
                                                  "aten::bincount",
                                                  "aten::_linalg_check_errors",
                                                  "aten::_unique",
                                                  "aten::repeat_interleave"};
  if (std::find(names.begin(), names.end(), name) != names.end()) return true;
  if (name == "aten::where")  // a scalar of the CPU is copied to the device first
    for (size_t i = first; i < first + 3; ++i)
      if (stack[i].toTensor().is_cpu()) return true;
  if (name != "aten::_index_put_impl_" || !stack[first + 1].isOptionalTensorList()) return false;
  for (const std::optional<at::Tensor>& index : stack[first + 1].toOptionalTensorVector())
    if (index && index->defined() && (index->scalar_type() == at::kBool || index->scalar_type() == at::kByte))
      return !stack[first + 2].toTensor().is_cpu();
  return false;
}

IValue alias_of(Aliases& aliases, const IValue& value) {
  if (value.isTensor()) return aliases.of(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(aliases.of(tensor));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector())
      list.push_back(tensor ? std::optional(aliases.of(*tensor)) : std::nullopt);
    return list;
  }
  if (value.isDevice()) {
    aliases.device = device_or_current(value.toDevice());
    return c10::Device(at::kCPU);
  }
  return value;
}

void run_on_aliases(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const std::string& name = op.schema().operator_name().name;
  Aliases aliases;
  const size_t first = stack->size() - op.schema().arguments().size();
  if (waits_by_itself(name, *stack, first)) {
    host_touches(name);
    host_waits(name);
  }
  for (size_t i = first; i < stack->size(); ++i) (*stack)[i] = alias_of(aliases, (*stack)[i]);
  if (aliases.device) use_context(aliases.device->index());
  {
    const at::AutoDispatchBelowADInplaceOrView guard;
    const tensor::SingleThread single;  // what a GPU gives does not depend on the host's threads
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  }
  aliases.resized();
  for (size_t i = stack->size() - op.schema().returns().size(); i < stack->size(); ++i) {
    const IValue& result = (*stack)[i];
    if (result.isTensor()) {
      (*stack)[i] = aliases.back(result.toTensor());
    } else if (result.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : result.toTensorVector()) list.push_back(aliases.back(tensor));
      (*stack)[i] = list;
    } else if (result.isBool() || result.isScalar()) {
      host_touches(name);
      host_waits(name);
    }
  }
}

// A backend of its own kind is asked for convolutions by these names.
void convolution(const c10::OperatorHandle&, torch::jit::Stack* stack) {
  run_on_aliases(c10::Dispatcher::singleton().findSchemaOrThrow("aten::convolution", ""), stack);
}

void convolution_backward(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto first = stack->end() - static_cast<std::ptrdiff_t>(op.schema().arguments().size());
  const int64_t channels = first->toTensor().size(1);
  stack->insert(first + 3, IValue(std::vector<int64_t>{channels}));  // sizes of the bias
  run_on_aliases(c10::Dispatcher::singleton().findSchemaOrThrow("aten::convolution_backward", ""), stack);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_aliases>()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("as_strided", as_strided);
  m.impl("view", [](const at::Tensor& self, at::IntArrayRef size) { return at::native::view(self, size); });
  m.impl("_reshape_alias", [](const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride) {
    return at::native::_reshape_alias(self, size, stride);
  });
  m.impl("resize_",
         [](const at::Tensor& self, at::IntArrayRef size, std::optional<at::MemoryFormat> format) -> const at::Tensor& {
           return give_size(self, size, format);
         });
  m.impl("set_.source_Storage_storage_offset", set_storage);
  // A module that moves here gives its parameters other data; Torch's own rule does not know devices of this kind.
  m.impl("_has_compatible_shallow_copy_type", [](const at::Tensor& self, const at::Tensor& from) {
    return self.layout() == at::kStrided && from.layout() == at::kStrided;
  });
  m.impl("_copy_from", copy_from);
  m.impl("_copy_from_and_resize", copy_from_and_resize);
  m.impl("_local_scalar_dense", local_scalar);
  m.impl("convolution_overrideable", torch::CppFunction::makeFromBoxedFunction<&convolution>());
  m.impl("convolution_backward_overrideable", torch::CppFunction::makeFromBoxedFunction<&convolution_backward>());
}

}  // namespace
}  // namespace ddls::fake_gpu
