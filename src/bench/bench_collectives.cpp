// All-reduce over the sizes of gradients, beside the same MPI_Allreduce without our layer. algbw = bytes / seconds,
// busbw = algbw 2 (n - 1) / n, as nccl-tests defines them.
#include <ATen/ATen.h>
#include <mpi.h>

#include "bench/bench.hpp"

namespace ddls::bench {

Json bench_collectives(const BenchOptions& options, dist::Communicator& comm) {
  Json rows = Json::array();
  const bool cpu = comm.topology().device.is_cpu();
  for (int64_t bytes = 1 << 10; bytes <= 64 << 20; bytes *= 8) {
    at::Tensor tensor = at::ones({bytes / 4}, at::TensorOptions().device(comm.topology().device));
    const auto repeats = std::clamp<int64_t>((64 << 20) / bytes, 2, 200);
    std::vector<double> ours, raw;
    const auto time = [&](std::vector<double>& seconds, const std::function<void()>& reduce) {
      tensor.fill_(1);
      seconds.push_back(seconds_together(comm,
                                         [&] {
                                           for (int64_t i = 0; i < repeats; ++i) reduce();
                                         }) /
                        static_cast<double>(repeats));
    };
    for (int64_t round = 0; round <= options.rounds; ++round) {  // interleaved; the first round warms up
      time(ours, [&] { comm.all_reduce(tensor, dist::Reduce::max); });
      if (cpu)
        time(raw, [&] {
          MPI_Allreduce(MPI_IN_PLACE, tensor.data_ptr(), static_cast<int>(tensor.numel()), MPI_FLOAT, MPI_MAX,
                        MPI_COMM_WORLD);
        });
    }
    ours.erase(ours.begin());
    const Json seconds = spread_of(ours);
    const double n = comm.ranks(), algbw = static_cast<double>(bytes) / seconds["median"].get<double>() / 1e9;
    Json row{{"bytes", bytes},
             {"microseconds", seconds["median"].get<double>() * 1e6},
             {"algbw", algbw},
             {"busbw", algbw * 2 * (n - 1) / n}};
    if (cpu) {
      raw.erase(raw.begin());
      row["raw_mpi_microseconds"] = spread_of(raw)["median"].get<double>() * 1e6;
    }
    rows.push_back(row);
  }
  return {{"bench", "collectives"},
          {"ranks", comm.ranks()},
          {"transport", dist::name_of(comm.topology().transport)},
          {"all_reduce", rows}};
}

}  // namespace ddls::bench
