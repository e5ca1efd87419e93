#include "base/error.hpp"
#include "dist/nccl_channel.hpp"

namespace ddls::dist {

std::string nccl_version() { return {}; }

std::string nccl_unique_id() { fail(Exit::internal, "NCCL: this program was built without CUDA"); }

DeviceCollectives connect_nccl(const std::string&, int, int, int, double, NcclCallbacks) {
  fail(Exit::internal, "NCCL: this program was built without CUDA");
}

}  // namespace ddls::dist
