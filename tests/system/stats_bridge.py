"""A bridge with something of everything that `/stats` tells, so that no list in a comparison is empty."""

METERS = (
    "meter=1 kbps burst stats bands=type=drop rate=1000 burst_size=100",
    "meter=2 pktps bands=type=drop rate=1000",
)
GROUPS = (
    "group_id=1,type=select,bucket=bucket_id=1,weight=50,watch_port=2,actions=output:2,"
    "bucket=bucket_id=2,weight=1,actions=set_field:1->reg0,output:1",
    "group_id=2,type=ff,bucket=bucket_id=1,watch_port=2,watch_group=1,actions=output:2",
    "group_id=3,type=all,bucket=set_field:0x1/0xff->reg1,move:NXM_NX_REG0[]->NXM_NX_REG2[],output:2",
)
# What Ryu has words for. Each is compared alone.
FLOWS = (
    "cookie=0xc0ffee,in_port=1,dl_vlan=5 actions=pop_vlan,output:2",
    "in_port=1,vlan_tci=0x1000/0x1000 actions=strip_vlan,CONTROLLER:65535",
    "in_port=LOCAL,vlan_tci=0 actions=push_vlan:0x8100,set_field:4106->vlan_vid,FLOOD,goto_table:10",
    "ip,nw_src=10.0.0.0/8,nw_dst=10.1.1.1,nw_tos=4 actions=mod_nw_src:1.2.3.4,dec_ttl,mod_nw_ttl:3,IN_PORT",
    "tcp,tp_src=80,tp_dst=0x50/0xfff0 actions=mod_tp_dst:81,ALL",
    "udp,tp_dst=53 actions=NORMAL",
    "sctp,tp_src=5 actions=set_field:6->sctp_dst,output:2",
    "icmp,icmp_type=8,icmp_code=0 actions=output:TABLE",
    "ipv6,ipv6_src=fe80::/64 actions=drop",
    "ipv6,ipv6_label=5 actions=set_field:::1->ipv6_dst,set_field:3->ipv6_label,output:2",
    "icmp6,icmp_type=135,nd_target=fe80::1,nd_sll=00:00:00:00:00:01 actions=output:2",
    "arp,arp_op=1,arp_spa=1.1.1.1,arp_tpa=1.1.1.2 actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
    "mod_dl_src:02:00:00:00:00:01,load:2->NXM_OF_ARP_OP[],move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],"
    "load:0x020000000001->NXM_NX_ARP_SHA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
    "load:0x01010102->NXM_OF_ARP_SPA[],IN_PORT",
    "in_port=2,dl_src=02:00:00:00:00:01 actions=set_field:0x64->reg0,load:1->NXM_NX_REG1[0..15],"
    "set_field:0xf00f/0xf0ff->reg2,goto_table:10",
    "ip,nw_proto=89 actions=load:1->NXM_OF_ETH_DST[40],load:5->NXM_OF_IP_SRC[0..7],output:2",
    "ipv6,nw_proto=89 actions=set_field:::5/::ff->ipv6_dst,set_field:1::2/ffff:ffff:ffff:ffff:ffff::ff->ipv6_src",
    "in_port=2,tun_id=0x64 actions=move:NXM_NX_TUN_ID[0..31]->NXM_NX_REG0[],goto_table:60",
    "in_port=2,tun_id=0x65/0xff actions=set_field:0x1/0xff->tun_id,set_field:0x1/0xff->metadata,output:2",
    "tun_src=10.0.0.1,tun_dst=10.0.0.2 actions=set_field:10.0.0.9->tun_dst,output:2",
    "table=10,reg0=0x64,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 "
    "actions=meter:1,set_field:0x64->tun_id,output:2,goto_table:20",
    "table=10,priority=1 actions=meter:2",
    "table=10,metadata=0x5/0xff actions=write_metadata:0x12/0xff,goto_table:20",
    "table=10,metadata=0x6 actions=write_metadata:0x12",
    "table=10,dl_type=0x88cc actions=write_actions(output:2,set_field:1->reg3),goto_table:20",
    "table=10,dl_type=0x88cd actions=clear_actions,goto_table:20",
    "table=10,tcp,tcp_flags=+syn actions=group:1",
    "table=10,mpls,mpls_label=5,mpls_tc=1,mpls_bos=1 actions=pop_mpls:0x0800,output:2",
    "table=10,ip actions=push_mpls:0x8847,set_mpls_ttl:5,set_field:9->mpls_label,dec_mpls_ttl,output:2",
    "table=10,dl_vlan=7,dl_vlan_pcp=3 actions=set_queue:1,output:2",
    "table=20,hard_timeout=6000,send_flow_rem,reset_counts,check_overlap,priority=1 actions=drop",
    "table=20,idle_timeout=6000,no_packet_counts,no_byte_counts,priority=2 actions=drop",
    "table=20,ip,ct_state=+trk+est,ct_mark=1/1 actions=ct(commit,zone=5,table=30)",
    "table=20,ip,ct_state=-trk actions=ct(table=30,zone=NXM_NX_REG0[0..15])",
    "table=20,ip,nw_ttl=3 actions=ct(commit,nat(src=10.0.0.1-10.0.0.5:5000-6000),"
    "exec(set_field:1->ct_mark,set_field:0x1/0x3->ct_label))",
    "table=20,ip,nw_dst=1.1.1.1 actions=conjunction(9,1/2)",
    "table=20,ip,nw_ecn=1,nw_frag=later actions=output:2",
    "table=20,pkt_mark=5 actions=set_field:5->pkt_mark,output:2",
    "table=20,conj_id=9,ip actions=output:2",
    "table=30,xreg0=5 actions=set_field:0x5/0xf->xreg1,move:NXM_NX_REG1[0..3]->NXM_NX_REG0[4..7]",
    "table=30,reg0=1,reg3=2/3,reg7=4 actions=output:1,output:2",
)
# What Ryu fails on, with a 501 for the whole bridge.
WORDLESS = (
    "table=40,priority=1 actions=resubmit(,50)",
    "table=40,priority=2 actions=output:NXM_NX_REG1[0..15]",
    "table=40,priority=3,ip actions=learn(table=50,idle_timeout=10,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[])",
    "table=40,priority=4 actions=note:01.02.03",
)
