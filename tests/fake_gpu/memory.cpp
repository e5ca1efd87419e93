// Device memory: two ranges of addresses of one size. The first, which tensors show, has no permissions; the second
// holds the data. Each device has its part of both.
#include <c10/util/Exception.h>
#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "fake_gpu/fake_gpu.hpp"

namespace ddls::fake_gpu {
namespace {

constexpr size_t bytes_per_device = size_t{8} << 30, devices = 16, least = 64;

class Arena {
 public:
  Arena() : shown_(map(PROT_NONE)), data_(map(PROT_READ | PROT_WRITE)) {}

  char* allocate(size_t bytes, size_t device) {
    const std::scoped_lock lock(mutex_);
    const size_t size = std::max(least, std::bit_ceil(bytes));
    std::vector<char*>& free = free_[device][size];
    if (free.empty()) {
      TORCH_CHECK(used_[device] + size <= bytes_per_device, "CUDA out of memory (fake GPU)");
      free.push_back(shown_ + device * bytes_per_device + used_[device]);
      used_[device] += size;
    }
    char* const pointer = free.back();
    free.pop_back();
    sizes_[pointer] = size;
    std::memset(at(pointer), 0xFF, bytes);
    return pointer;
  }

  void release(char* pointer) {
    const std::scoped_lock lock(mutex_);
    const auto size = sizes_.find(pointer);
    free_[static_cast<size_t>(pointer - shown_) / bytes_per_device][size->second].push_back(pointer);
    sizes_.erase(size);
  }

  bool holds(const char* pointer) const { return pointer >= shown_ && pointer < shown_ + devices * bytes_per_device; }
  char* at(const char* pointer) const { return data_ + (pointer - shown_); }

 private:
  static char* map(int permissions) {
    void* const range =
        mmap(nullptr, devices * bytes_per_device, permissions, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    TORCH_CHECK(range != MAP_FAILED, "fake GPU: no address space");
    return static_cast<char*>(range);
  }

  char *shown_, *data_;
  std::mutex mutex_;
  size_t used_[devices] = {};
  std::unordered_map<size_t, std::vector<char*>> free_[devices];  // by size
  std::unordered_map<char*, size_t> sizes_;
};

Arena& arena() {
  static auto* const one = new Arena;  // tensors may outlive any other static object
  return *one;
}

struct DeviceAllocator : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    const int device = current_device();
    const c10::Device where(kind, static_cast<c10::DeviceIndex>(device));
    if (bytes == 0) return {nullptr, where};
    use_context(device);
    char* const pointer = arena().allocate(bytes, static_cast<size_t>(device));
    return {pointer, pointer, raw_deleter(), where};
  }
  c10::DeleterFnPtr raw_deleter() const override {
    return [](void* pointer) { arena().release(static_cast<char*>(pointer)); };
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(host_address(to), host_address(from), bytes);
  }
};

struct PinnedAllocator : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* const pointer = std::aligned_alloc(least, (bytes + least) / least * least);
    const std::scoped_lock lock(mutex);
    ends[static_cast<char*>(pointer)] = static_cast<char*>(pointer) + std::max<size_t>(bytes, 1);
    return {pointer, pointer, raw_deleter(), c10::DeviceType::CPU};
  }
  c10::DeleterFnPtr raw_deleter() const override {
    return [](void* pointer) {
      auto& self = *static_cast<PinnedAllocator*>(pinned_allocator());
      const std::scoped_lock lock(self.mutex);
      self.ends.erase(static_cast<char*>(pointer));
      std::free(pointer);
    };
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

  std::mutex mutex;
  std::map<char*, char*> ends;  // by beginnings
};

}  // namespace

char* host_address(const void* pointer) {
  char* const address = static_cast<char*>(const_cast<void*>(pointer));
  return address != nullptr && arena().holds(address) ? arena().at(address) : address;
}

c10::Allocator* device_allocator() {
  static auto* const one = new DeviceAllocator;
  return one;
}

c10::Allocator* pinned_allocator() {
  static auto* const one = new PinnedAllocator;
  return one;
}

bool is_pinned(const void* pointer) {
  auto& pinned = *static_cast<PinnedAllocator*>(pinned_allocator());
  char* const address = static_cast<char*>(const_cast<void*>(pointer));
  const std::scoped_lock lock(pinned.mutex);
  const auto after = pinned.ends.upper_bound(address);
  return after != pinned.ends.begin() && address < std::prev(after)->second;
}

}  // namespace ddls::fake_gpu
