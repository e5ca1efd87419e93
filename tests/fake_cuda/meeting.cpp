#include "fake_cuda/meeting.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>

namespace ddls::fake_cuda {

// The file is all zeros at first, as these are.
struct Meeting::Shared {
  struct alignas(64) Seat {
    std::atomic<uint64_t> phase;
    Header header;
  };
  Seat seats[most_ranks];
  char data[most_ranks][chunk_bytes];
};

Meeting::Meeting(const std::string& name, int rank, int ranks) : name_(name), rank_(rank), ranks_(ranks) {
  if (ranks > most_ranks) throw std::runtime_error("fake NCCL: too many ranks");
  const int file = shm_open(name.c_str(), O_RDWR | O_CREAT, 0600);
  if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) throw std::runtime_error("fake NCCL: no shared memory");
  void* const there = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (there == MAP_FAILED) throw std::runtime_error("fake NCCL: no address space");
  shared_ = static_cast<Shared*>(there);
}

Meeting::~Meeting() { munmap(shared_, sizeof(Shared)); }

bool Meeting::barrier(const std::atomic<bool>& given_up) {
  shared_->seats[rank_].phase.store(++phase_, std::memory_order_release);
  for (int rank = 0; rank < ranks_; ++rank) {
    for (int looks = 0; shared_->seats[rank].phase.load(std::memory_order_acquire) < phase_; ++looks) {
      if (given_up) return false;
      if (looks < 20)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(std::chrono::microseconds(looks < 200 ? 50 : 1000));
    }
  }
  return true;
}

void Meeting::remove_name() { shm_unlink(name_.c_str()); }

Header& Meeting::header_of(int rank) { return shared_->seats[rank].header; }
char* Meeting::data_of(int rank) { return shared_->data[rank]; }

}  // namespace ddls::fake_cuda
