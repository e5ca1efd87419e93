// NCCL's place between fake GPUs: over MPI, with a communicator of its own. As with NCCL nothing is done when a call
// returns: reductions happen when the first of them, or a later one, is waited for.
#include <ATen/ATen.h>
#include <mpi.h>

#include <cstring>
#include <deque>

#include "base/error.hpp"
#include "dist/check.hpp"
#include "dist/nccl_channel.hpp"
#include "fake_gpu/aliases.hpp"
#include "fake_gpu/fake_gpu.hpp"

namespace ddls::dist {
namespace {

class FakeNccl {
 public:
  FakeNccl(int ranks, int device) : ranks_(ranks), device_(device) { DDLS_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm_)); }

  Pending all_reduce(const at::Tensor& tensor, Reduce op) {
    return enqueue(tensor, [this, op](at::Tensor& host) { reduce(host, op); });
  }

  Pending broadcast(const at::Tensor& tensor, int root) {
    return enqueue(tensor, [this, root](at::Tensor& host) {
      DDLS_MPI(MPI_Bcast(host.data_ptr(), static_cast<int>(host.nbytes()), MPI_BYTE, root, comm_));
    });
  }

 private:
  using Work = std::function<void(at::Tensor& host)>;
  struct Job {
    uint64_t number;
    at::Tensor tensor, seen;
    Work work;
  };

  // Called by the thread that computes and, in a backward pass, by that of its device, never at the same time.
  Pending enqueue(const at::Tensor& tensor, Work work) {
    ensure(tensor.get_device() == device_ && !tensor.is_cpu(), "fake NCCL: a tensor of {}", tensor.device().str());
    ensure(tensor.get_device() == fake_gpu::current_device(), "fake NCCL: called by a thread of device {}",
           fake_gpu::current_device());
    jobs_.push_back({++count_, tensor, fake_gpu::alias_of(tensor).clone(), std::move(work)});
    return Pending([this, number = count_] { finish(number); });
  }

  void finish(uint64_t number) {
    for (; !jobs_.empty() && jobs_.front().number <= number; jobs_.pop_front()) {
      Job& job = jobs_.front();
      at::Tensor now = fake_gpu::alias_of(job.tensor);
      ensure(std::memcmp(now.const_data_ptr(), job.seen.const_data_ptr(), now.nbytes()) == 0,
             "fake NCCL: a tensor was written while it was on its way");
      job.work(now);
    }
  }

  void reduce(at::Tensor& host, Reduce op) const {
    const at::Tensor sum = host.to(host.is_floating_point() ? at::kDouble : at::kLong);
    const MPI_Datatype type = host.is_floating_point() ? MPI_DOUBLE : MPI_INT64_T;
    const MPI_Op how = op == Reduce::min ? MPI_MIN : op == Reduce::max ? MPI_MAX : MPI_SUM;
    DDLS_MPI(MPI_Allreduce(MPI_IN_PLACE, sum.data_ptr(), static_cast<int>(sum.numel()), type, how, comm_));
    host.copy_(op == Reduce::mean ? sum / ranks_ : sum);
  }

  int ranks_, device_;
  MPI_Comm comm_ = MPI_COMM_NULL;  // MPI_Finalize frees it
  uint64_t count_ = 0;
  std::deque<Job> jobs_;
};

}  // namespace

std::string nccl_version() { return "fake"; }

std::string nccl_unique_id() { return "fake"; }

DeviceCollectives connect_nccl(const std::string&, int, int ranks, int device, double, NcclCallbacks) {
  const auto nccl = std::make_shared<FakeNccl>(ranks, device);
  return {[nccl](const at::Tensor& tensor, Reduce op, uint64_t) { return nccl->all_reduce(tensor, op); },
          [nccl](const at::Tensor& tensor, int root, uint64_t) { return nccl->broadcast(tensor, root); }};
}

}  // namespace ddls::dist
