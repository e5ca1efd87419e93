#include "fake_gpu/aliases.hpp"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <c10/core/CPUAllocator.h>

#include <cstring>

#include "fake_gpu/fake_gpu.hpp"

namespace ddls::fake_gpu {
namespace {

at::Tensor over(const c10::Storage& storage, c10::DispatchKey key, const at::Tensor& like) {
  at::Tensor tensor =
      at::detail::make_tensor<c10::TensorImpl>(c10::Storage(storage), c10::DispatchKeySet(key), like.dtype());
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  return tensor;
}

at::Tensor moved(const at::Tensor& result, c10::Device device) {
  at::Tensor shown =
      at::empty_strided(result.sizes(), result.strides(), at::TensorOptions(device).dtype(result.scalar_type()));
  const size_t bytes = at::detail::computeStorageNbytes(result.sizes(), result.strides(), result.element_size());
  if (bytes > 0) std::memcpy(host_address(shown.data_ptr()), result.const_data_ptr(), bytes);
  return shown;
}

}  // namespace

c10::Storage Aliases::data_of(const c10::Storage& storage) {
  for (const auto& [shown, data] : storages_)
    if (shown.is_alias_of(storage)) return data;
  c10::Storage data(c10::Storage::use_byte_size_t(), storage.nbytes(),
                    {host_address(storage.data()), c10::Device(c10::DeviceType::CPU)}, c10::GetCPUAllocator(),
                    /*resizable=*/true);
  storages_.emplace_back(storage, data);
  return data;
}

at::Tensor Aliases::of(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  const bool cpu_scalar = tensor.is_cpu() && tensor.dim() == 0;
  mixes_cpu_ = mixes_cpu_ || (tensor.is_cpu() && !cpu_scalar);
  if (!tensor.is_cpu()) {
    TORCH_CHECK(!device || *device == tensor.device(), "Expected all tensors to be on the same device, but found ",
                device.value_or(tensor.device()), " and ", tensor.device(), " (fake GPU)");
    device = tensor.device();
  }
  TORCH_CHECK(!device || !mixes_cpu_, "Expected all tensors to be on the same device, but found ",
              device.value_or(tensor.device()), " and cpu (fake GPU)");
  if (tensor.is_cpu()) return tensor;
  for (const auto& [shown, alias] : tensors_)
    if (shown.is_same(tensor)) return alias;
  tensors_.push_back({tensor, over(data_of(tensor.storage()), c10::DispatchKey::CPU, tensor)});
  return tensors_.back().alias;
}

at::Tensor Aliases::back(const at::Tensor& result) {
  if (!result.defined() || !result.is_cpu() || !device) return result;
  for (const auto& [shown, alias] : tensors_)
    if (alias.is_same(result)) return shown;
  for (const auto& [shown, data] : storages_)
    if (data.is_alias_of(result.storage())) return over(shown, c10::DispatchKey::PrivateUse1, result);
  return moved(result, *device);
}

void Aliases::resized() {
  for (const auto& [shown, alias] : tensors_) {
    if (alias.sizes() == shown.sizes() && alias.strides() == shown.strides()) continue;
    give_size(shown, alias.sizes(), std::nullopt);
    shown.unsafeGetTensorImpl()->set_sizes_and_strides(alias.sizes(), alias.strides());
    const size_t bytes = at::detail::computeStorageNbytes(alias.sizes(), alias.strides(), alias.element_size());
    if (bytes > 0 && host_address(shown.data_ptr()) != alias.const_data_ptr())
      std::memcpy(host_address(shown.data_ptr()), alias.const_data_ptr(), bytes);
  }
}

at::Tensor alias_of(const at::Tensor& tensor) { return Aliases().of(tensor); }

const at::Tensor& give_size(const at::Tensor& self, at::IntArrayRef sizes, std::optional<at::MemoryFormat> format) {
  c10::TensorImpl* const impl = self.unsafeGetTensorImpl();
  impl->set_sizes_contiguous(sizes);
  const size_t bytes = at::detail::computeStorageNbytesContiguous(sizes, self.element_size(),
                                                                  static_cast<size_t>(self.storage_offset()));
  const c10::Storage& storage = self.storage();
  if (bytes > storage.nbytes()) {
    const c10::DeviceGuard guard(self.device());
    c10::DataPtr larger = device_allocator()->allocate(bytes);
    if (storage.nbytes() > 0) std::memcpy(host_address(larger.get()), host_address(storage.data()), storage.nbytes());
    storage.unsafeGetStorageImpl()->set_data_ptr_noswap(std::move(larger));
    storage.unsafeGetStorageImpl()->set_nbytes(bytes);
  }
  if (format) impl->empty_tensor_restride(*format);
  return self;
}

}  // namespace ddls::fake_gpu
