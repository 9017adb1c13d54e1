/* What bindgen reads. The allow-list of names is in build.rs. */
#pragma once

#include <malloc.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <sys/socket.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <rte_version.h>

/* Macros that bindgen cannot evaluate, as constants of known width. */
static const uint64_t SHIM_TX_OFFLOAD_MBUF_FAST_FREE = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
static const uint64_t SHIM_TX_OFFLOAD_MULTI_SEGS = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
static const uint64_t SHIM_RX_OFFLOAD_RSS_HASH = RTE_ETH_RX_OFFLOAD_RSS_HASH;
static const uint64_t SHIM_RX_OFFLOAD_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t SHIM_RSS_IP = RTE_ETH_RSS_IP;
static const uint64_t SHIM_RSS_TCP = RTE_ETH_RSS_TCP;
static const uint64_t SHIM_RSS_UDP = RTE_ETH_RSS_UDP;
static const uint64_t SHIM_RSS_SCTP = RTE_ETH_RSS_SCTP;

static const int SHIM_SOL_PACKET = SOL_PACKET;
static const int SHIM_PACKET_STATISTICS = PACKET_STATISTICS;

/* Inline functions of DPDK as symbols: shim_X(...) is X(...). */
int shim_rte_errno(void);
unsigned int shim_rte_lcore_id(void);
uint16_t shim_rte_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n);
uint16_t shim_rte_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n);
struct rte_mbuf *shim_rte_pktmbuf_alloc(struct rte_mempool *pool);
int shim_rte_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **packets, unsigned int n);
void shim_rte_pktmbuf_free(struct rte_mbuf *packet);
int shim_rte_pktmbuf_linearize(struct rte_mbuf *packet);
